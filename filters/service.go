package filters

import (
	"fmt"
	"strings"
	"time"
)

// Service says who may use `privhelper serve`, and how much. The zero value lets nobody in but root; zero numbers are the
// defaults of the service.
type Service struct {
	Clients      []string // local users, @groups and their numbers
	AnyNamespace bool     // clients of other user and pid namespaces too

	Ready       int64         // confined workers that wait for a client
	Connections int64         // at one time
	PerUser     int64         // of one uid, at one time
	Calls       int64         // of one uid, in a second
	Drain       time.Duration // for calls that have begun, when the service is stopped
}

// set takes over an option of the service.
func (s *Service) set(it item) (known bool, err error) {
	switch it.name {
	case "clients":
		s.Clients = strings.FieldsFunc(it.value, func(r rune) bool { return r == ',' || pySpace(r) })
		for _, who := range s.Clients {
			if err == nil {
				err = checkAccount("clients", strings.TrimPrefix(who, "@"))
			}
		}
	case "clients_namespaces":
		if s.AnyNamespace = it.value == "any"; !s.AnyNamespace && it.value != "own" {
			err = fmt.Errorf("clients_namespaces: %q is neither own nor any", it.value)
		}
	case "service_ready":
		s.Ready, err = parseCount(it)
	case "service_max_connections":
		s.Connections, err = parseCount(it)
	case "service_max_per_user":
		s.PerUser, err = parseCount(it)
	case "service_max_calls":
		s.Calls, err = parseCount(it)
	case "service_drain":
		s.Drain, err = time.ParseDuration(it.value)
		if err != nil || s.Drain <= 0 {
			err = fmt.Errorf("service_drain: %q is no time above zero: write 30s", it.value)
		}
	default:
		return false, nil
	}
	return true, err
}
