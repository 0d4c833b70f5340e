// Package attack holds tests alone: what a hostile client or user does to the static binary as it ships. The suite runs as
// root; a user has the same attacks made on a helper in a user namespace, but for those that rootOnly names.
//
// Every attack is an entry of a table: its name, the promise of docs/threat-model.md that it is to break, and what is done.
// It has a harmless twin that must run, so that an attack which asks for nothing cannot pass. A canary proves that nothing
// ran, the audit log that each decision was written once, and a bystander with a helper of its own that nobody else felt it.
//
// docs/attacks.md is written by a run (go test ./attack -run TestDocs -write), with what oslo.rootwrap does under the same
// attack. A guard that is weakened on purpose, by a patch in weaken/, must turn its attacks red: go test ./attack -weakened.
// System calls that fail are strace(1)'s doing: make faults tries every one, and make lifetimes ends who makes them. What a client sends in
// frames is in privsep/internal/hostile.
package attack
