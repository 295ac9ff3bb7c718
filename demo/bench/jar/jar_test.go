package jar

import (
	"strings"
	"testing"
	"time"
)

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	payload := Payload(200)
	for _, tt := range []struct {
		name, want string
		lie        func(j *Jar)
	}{
		{"honest", "", func(*Jar) {}},
		{"no authentication", "changed", func(j *Jar) {
			open := j.Open
			var last []byte
			j.Open = func(name, text string) ([]byte, error) {
				if got, err := open(name, text); err == nil {
					last = got
				}
				return last, nil
			}
		}},
		{"any name", "another name", func(j *Jar) {
			open := j.Open
			j.Open = func(_, text string) ([]byte, error) { return open(cookie, text) }
		}},
		{"for ever", "expired", func(j *Jar) {
			seal := j.Seal
			j.Seal = func(name string, _ time.Time, payload []byte) (string, error) {
				return seal(name, time.Now().Add(time.Hour), payload)
			}
		}},
		{"no random nonce", "same text", func(j *Jar) {
			seal := j.Seal
			kept := map[time.Time]string{}
			j.Seal = func(name string, expires time.Time, payload []byte) (text string, err error) {
				hour := expires.Truncate(24 * time.Hour)
				if kept[hour] == "" {
					kept[hour], err = seal(name, expires, payload)
				}
				return kept[hour], err
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j, err := gcmJar()
			if err != nil {
				t.Fatal(err)
			}
			tt.lie(j)
			err = j.Honest(payload)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
