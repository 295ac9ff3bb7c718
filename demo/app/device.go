package app

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

// hasDevice says whether the provider has a device endpoint.
const hasDevice = false

var deviceGrants []string

type devices struct{}

func mountDevice(*http.ServeMux, *authserver.Server, *authserver.Dialect) {}

func (p *partner) mountDeviceLogin(*gin.Engine) {}
