package proto

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// nulSymbol is what a NUL is replaced by: the master itself can store one,
// but its CSV files and terminals can't show it.
const nulSymbol = "\u2400"

// clean says whether a text can be sent as it is.
func clean(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// sendable returns text as it may be sent: invalid UTF-8 and NULs replaced,
// and no longer than limit bytes. On invalid UTF-8 a master would handle the
// previous message a second time. A text that was cut ends with a mark that
// gives its full length. Limit is above 64.
func sendable(text string, limit int) string {
	if len(text) <= limit && clean(text) {
		return text
	}
	head := text[:min(len(text), limit)]
	head = strings.ToValidUTF8(head, string(utf8.RuneError))
	head = strings.ReplaceAll(head, "\x00", nulSymbol)
	if len(text) <= limit && len(head) <= limit {
		return head
	}
	mark := fmt.Sprintf(" … [cut, had %d bytes]", len(text))
	end := min(limit-len(mark), len(head))
	for end < len(head) && !utf8.RuneStart(head[end]) {
		end--
	}
	return head[:end] + mark
}
