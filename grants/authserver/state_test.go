package authserver

import (
	"encoding/json"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
	"time"
)

// What is written by hand is what encoding/json writes, whatever member is set.
func TestStateIsWrittenAsJSON(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewSource(1))
	var empty state
	for range 2000 {
		st := state{Client: "web"}
		fields := reflect.ValueOf(&st).Elem()
		for i := range fields.NumField() {
			if random.Intn(2) == 0 {
				continue
			}
			if fields.Field(i).Type() == reflect.TypeFor[time.Time]() {
				zone := []*time.Location{time.UTC, time.FixedZone("", random.Intn(80000)-40000)}[random.Intn(2)]
				fields.Field(i).Set(reflect.ValueOf(time.UnixMicro(random.Int63n(1e16)).In(zone)))
				continue
			}
			value, ok := quick.Value(fields.Field(i).Type(), random)
			if !ok {
				t.Fatalf("no value for %s", fields.Type().Field(i).Name)
			}
			fields.Field(i).Set(value)
		}
		want, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.raw(); string(got) != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
	if string(empty.raw()) != `{"client_id":""}` {
		t.Errorf("an empty state is %s", empty.raw())
	}
}
