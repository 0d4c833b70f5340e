// Package hostile holds tests alone: what a compromised service can do to a root helper by the bytes and descriptors that
// it sends. The helpers are processes of their own, as in earnest, and so is a second client, whose helper must not feel
// any of it (docs/threat-model.md, promise 3).
package hostile
