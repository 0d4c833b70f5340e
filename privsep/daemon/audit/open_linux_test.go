package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// A file that will not do is an error of the configuration, with its line. Why one does not is package sink's to test.
func TestOpenRefuses(t *testing.T) {
	cfg := filters.Config{File: "p.conf", AuditFile: "/dev/null", Lines: map[string]int{"audit_file": 7}}
	_, err := audit.Open(cfg, nil)
	var bad *filters.Error
	if !errors.As(err, &bad) || !bad.Value || !strings.HasPrefix(err.Error(), "p.conf:7: audit_file: /dev/null ") {
		t.Errorf("%v", err)
	}
	cfg.AuditFile, cfg.UseSyslog, cfg.SyslogFacility = "", true, "none"
	if _, err := audit.Open(cfg, nil); err == nil {
		t.Errorf("%v", err)
	}
}
