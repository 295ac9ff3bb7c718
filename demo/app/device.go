package app

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// mountDevice mounts the provider's side.
func mountDevice(mux *http.ServeMux, s *authserver.Server, d *authserver.Dialect) {
	mux.Handle("/device_authorization", s.DeviceAuthorization(d))
	mux.Handle(deviceVerification, s.DevicePage())
}

const deviceVerification = "/device"

// mountDeviceLogin mounts the app's: a page that shows the code, and the wait for the user's decision.
func (p *partner) mountDeviceLogin(engine *gin.Engine) {
	for _, w := range p.ways {
		if !w.Device {
			continue
		}
		engine.GET("/device/"+w.ID, gin.WrapF(func(out http.ResponseWriter, r *http.Request) { p.beginDevice(out, r, w) }))
		engine.POST("/device/"+w.ID, gin.WrapF(func(out http.ResponseWriter, r *http.Request) { p.finishDevice(out, r, w) }))
	}
}

const deviceCookie = "device"

// beginDevice plays the device: it shows the code, and keeps the other one sealed in a cookie.
func (p *partner) beginDevice(w http.ResponseWriter, r *http.Request, way *way) {
	flow, err := way.client.Device(r.Context())
	if err != nil {
		p.logger.Error("beginning at the device endpoint", "error", err)
		p.show(w, r, http.StatusBadGateway, "The sign-in service did not answer as expected.")
		return
	}
	plain, err := json.Marshal(deviceState{flow.DeviceCode, flow.Scopes, flow.Interval, flow.Expires})
	if err != nil {
		p.show(w, r, http.StatusInternalServerError, "That did not work.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: deviceCookie, Value: base64.RawURLEncoding.EncodeToString(p.d.stores.appRing.SealBytes("device", way.ID, plain)),
		Path: "/device/" + way.ID, MaxAge: int(time.Until(flow.Expires).Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	var body bytes.Buffer
	if err := p.page.ExecuteTemplate(&body, "device.html", map[string]any{
		"Code": flow.UserCode, "At": flow.VerificationURI, "Complete": flow.VerificationURIComplete, "Go": snippets()["device"],
	}); err != nil {
		p.show(w, r, http.StatusInternalServerError, "That did not work.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body.Bytes()) // the client left
}

// deviceState is a grants.DeviceFlow as the cookie has it.
type deviceState struct {
	Code     string
	Scopes   []string
	Interval time.Duration
	Expires  time.Time
}

func (p *partner) openDevice(r *http.Request, way *way) (*grants.DeviceFlow, error) {
	c, err := r.Cookie(deviceCookie)
	if err != nil {
		return nil, err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil, err
	}
	plain, err := p.d.stores.appRing.OpenBytes("device", way.ID, sealed)
	if err != nil {
		return nil, err
	}
	var s deviceState
	err = json.Unmarshal(plain, &s)
	return &grants.DeviceFlow{
		Provider: way.client.Provider, DeviceCode: s.Code, Scopes: s.Scopes, Interval: s.Interval, Expires: s.Expires,
	}, err
}

// finishDevice answers when the user has decided.
func (p *partner) finishDevice(w http.ResponseWriter, r *http.Request, way *way) {
	http.NewResponseController(w).SetReadDeadline(time.Time{}) // then the wait is shorter
	flow, err := p.openDevice(r, way)
	if err != nil {
		p.show(w, r, http.StatusBadRequest, "This sign-in cannot be completed: please start again.")
		return
	}
	var refused *grants.Error
	switch err := (deviceLogin{way.client, p.session, flow}).wait(w, r); {
	case err == nil:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	case r.Context().Err() != nil: // the browser left
	case errors.As(err, &refused):
		p.show(w, r, http.StatusBadRequest, "Signing in was refused, or took too long. You can start again.")
	default:
		p.logger.Error("signing a device in", "error", err)
		p.show(w, r, http.StatusServiceUnavailable, "Signing in is not possible right now. Please try again in a moment.")
	}
}

//show:device

func (l deviceLogin) wait(w http.ResponseWriter, r *http.Request) error {
	tok, err := l.client.DeviceToken(r.Context(), l.flow) // polls as the provider allows
	if err != nil {
		return err
	}
	var u user
	if err := l.client.UserInfo(r.Context(), tok, &u); err != nil {
		return err
	}
	rec := &store.Record{Subject: u.ID, Provider: l.client.Provider, Token: tok}
	_, err = l.session.Start(w, r, rec)
	return err
}

//end

// deviceLogin is one on its way.
type deviceLogin struct {
	client  *grants.Client
	session *middleware.Session
	flow    *grants.DeviceFlow
}
