//go:build linux

package main_test

import "testing"

// TestPolicyTools are the scripts of check, explain and suggest, for any user.
func TestPolicyTools(t *testing.T) { scripts(t, "check", "explain", "suggest") }
