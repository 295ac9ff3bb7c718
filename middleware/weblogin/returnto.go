package weblogin

import "strings"

// isLocal says whether a browser that is sent to s stays on this site, by a rule that needs no URL parser to agree with
// the browser's: one leading slash, then printable ASCII without what parsers fold, drop or take for a host. "//" and
// "\" lead elsewhere, dot segments and their encodings make other paths of a path, and encoded slashes become real ones
// in some proxies (RFC 9700 section 4.11).
func isLocal(s string) bool {
	if s == "" || s[0] != '/' || len(s) > 2048 || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c > '~' || strings.IndexByte("\\\"<>^`{|}", c) >= 0 {
			return false
		}
		if c == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	path := s
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		path = s[:i]
	}
	return isLocalPath(path)
}

func isLocalPath(path string) bool {
	lower := strings.ToLower(path)
	for _, hidden := range []string{"%2f", "%5c", "%00", "%09", "%0a", "%0d"} {
		if strings.Contains(lower, hidden) {
			return false
		}
	}
	for segment := range strings.SplitSeq(lower, "/") {
		if s := strings.ReplaceAll(segment, "%2e", "."); s == "." || s == ".." {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
