package mask

import (
	"slices"
	"strings"
)

// secretEnds are ends of names whose value is secret, in lower case and without what separates words. The first lines are
// oslo_utils.strutils._SANITIZE_KEYS.
var secretEnds = []string{
	"adminpass", "password", "authtoken", "newpass", "secretuuid", "secret", "syspswd", "token", "configdrive",
	"encryptedkey", "privatekey", "fernetkey", "sslkey", "passphrase", "cephclusterfsid", "octaviaheartbeatkey",
	"rabbitcookie", "cephmanilaclientkey", "pacemakerremoteauthkey", "designaterndckey", "cephadminkey",
	"heatauthencryptionkey", "cephclientkey", "keystonecredential", "barbicansimplecryptokek", "cephrgwkey",
	"swifthashsuffix", "migrationsshkey", "cephmdskey", "cephmonkey",

	"passwd", "passcode", "pswd", "apikey", "authkey", "accesskey", "secretkey", "sharedkey", "signingkey", "masterkey",
	"encryptionkey", "accesskeyid", "credential", "credentials", "authorization", "cookie",

	"passwordin", // iscsiadm: node.session.auth.password_in, the target's
}

// secretWords end such a name too, where they are a word of it: db_pass and api-key, not compass and monkey.
var secretWords = []string{"pass", "pwd", "key", "pin", "psk"}

// notSecret end in one of those and are no secret.
var notSecret = []string{"pwd", "oldpwd", "key", "pin", "publickey", "pubkey", "hostkey"}

// secretName reports whether the value of this name is secret. An option's dashes and a number at the end belong to no
// name: --os-password, Password1.
func secretName(name string) bool {
	name = strings.TrimRight(strings.TrimLeft(name, "-"), "0123456789")
	if len(name) < 3 {
		return false
	}
	flat := make([]byte, 0, 64)
	word := 0 // where the last word begins
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == '.':
			word = i + 1
		case 'A' <= c && c <= 'Z':
			flat = append(flat, c+'a'-'A')
		default:
			flat = append(flat, c)
		}
	}
	plain := string(flat)
	if slices.Contains(notSecret, plain) || strings.HasSuffix(plain, "publickey") {
		return false
	}
	for _, end := range secretEnds {
		if strings.HasSuffix(plain, end) {
			return true
		}
	}
	return slices.ContainsFunc(secretWords, func(w string) bool { return strings.EqualFold(name[word:], w) })
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
