// Package archtest holds the walls of docs/architecture.md: which package may link which, where unsafe and raw system
// calls may stand, and what the stock helper is made of. It is tests alone and is linked by no program.
//
// Each ban stands in a table beside its reason. Whoever wants to move a wall changes the table, and the reason with it,
// in the same commit.
package archtest
