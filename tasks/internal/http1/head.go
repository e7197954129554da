package http1

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	statusSwitching   = 101
	statusNoContent   = 204
	statusNotModified = 304

	// shownLine is how much of what is no status line its error repeats.
	shownLine = 40
)

// readStatus reads "HTTP/1.1 200 OK": RFC 9112 section 4.
func (p *Parser) readStatus(line []byte) error {
	const (
		version = "HTTP/1."
		minor   = len(version)     // a digit, then a space
		code    = len(version) + 2 // three digits, then a space or the end
		reason  = code + 3
	)
	if len(line) < reason || string(line[:minor]) != version || line[minor+1] != ' ' ||
		(len(line) > reason && line[reason] != ' ') || !isDigit(line[minor]) ||
		!isDigit(line[code]) || !isDigit(line[code+1]) || !isDigit(line[code+2]) || line[code] == '0' ||
		!isText(line[reason:]) {
		return fmt.Errorf("%w: %q", ErrStatusLine, line[:min(len(line), shownLine)])
	}
	p.status = int16(line[code]-'0')*100 + int16(line[code+1]-'0')*10 + int16(line[code+2]-'0')
	if line[minor] == '0' {
		p.flags |= oldVersion
	}
	p.phase = atField
	return nil
}

// readField reads a line of the head behind the status line.
func (p *Parser) readField(line []byte) error {
	if len(line) == 0 {
		return p.endHead()
	}
	name, value, err := p.splitField(line)
	if err != nil {
		return err
	}
	// Most names differ from the three in their length.
	switch {
	case len(name) == len("connection") && isName(name, "connection"):
		p.flags &^= foldable
		p.readConnection(value)
	case len(name) == len("content-length") && isName(name, "content-length"):
		p.flags &^= foldable
		return p.readLength(value)
	case len(name) == len("transfer-encoding") && isName(name, "transfer-encoding"):
		p.flags &^= foldable
		if p.flags&hasEncoding != 0 || !isName(value, "chunked") {
			return ErrTransferEncoding
		}
		p.flags |= hasEncoding
	}
	return nil
}

// readTrailer reads a line behind the last chunk. Its fields are checked for
// their form only.
func (p *Parser) readTrailer(line []byte) error {
	if len(line) == 0 {
		p.phase = complete
		return nil
	}
	_, _, err := p.splitField(line)
	return err
}

// splitField checks the form of a field. A line that goes on from the one
// before has no name.
func (p *Parser) splitField(line []byte) (name, value []byte, err error) {
	if line[0] == ' ' || line[0] == '\t' {
		if p.flags&foldable == 0 || !isText(line) {
			return nil, nil, ErrField
		}
		return nil, nil, nil
	}
	colon := 0
	for colon < len(line) && tokens[line[colon]] {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return nil, nil, ErrField
	}
	value = line[colon+1:]
	if !isText(value) {
		return nil, nil, ErrField
	}
	p.flags |= foldable
	return line[:colon], trim(value), nil
}

func (p *Parser) readConnection(value []byte) {
	for len(value) > 0 {
		option, rest := value, []byte(nil)
		if comma := bytes.IndexByte(value, ','); comma >= 0 {
			option, rest = value[:comma], value[comma+1:]
		}
		switch option = trim(option); {
		case isName(option, "close"):
			p.flags |= closing
		case isName(option, "keep-alive"):
			p.flags |= staying
		}
		value = rest
	}
}

func (p *Parser) readLength(value []byte) error {
	const maxDigits = 18 // fit an int64
	if len(value) == 0 || len(value) > maxDigits {
		return ErrContentLength
	}
	var n int64
	for _, c := range value {
		if !isDigit(c) {
			return ErrContentLength
		}
		n = n*10 + int64(c-'0')
	}
	if p.flags&hasLength != 0 && p.length != n {
		return ErrContentLength
	}
	p.flags |= hasLength
	p.length = n
	return nil
}

// endHead decides what follows the head: RFC 9112 sections 6.3 and 9.3.
func (p *Parser) endHead() error {
	if p.status < 200 && p.status != statusSwitching {
		// An interim response: the one that counts is still to come.
		p.flags &= forHead
		p.length, p.status, p.phase = 0, 0, atStatus
		return nil
	}
	if p.flags&closing != 0 || p.flags&(oldVersion|staying) == oldVersion || p.status == statusSwitching {
		p.flags |= unusable
	}
	if p.flags&hasEncoding != 0 && p.flags&oldVersion != 0 {
		return ErrTransferEncoding
	}
	switch {
	case p.flags&forHead != 0, p.status == statusSwitching, p.status == statusNoContent, p.status == statusNotModified:
		p.phase = complete
	case p.flags&hasEncoding != 0:
		if p.flags&hasLength != 0 {
			p.flags |= unusable
		}
		p.flags &^= foldable
		p.phase = atChunk
	case p.flags&hasLength == 0:
		p.flags |= unusable
		p.phase = inRest
	case p.length == 0:
		p.phase = complete
	case p.length > MaxBody:
		return ErrLargeBody
	default:
		p.left, p.phase = p.length, inBody
	}
	return nil
}

// tokens are the characters of field names: RFC 9110 section 5.6.2.
var tokens = func() (table [256]bool) {
	for c := range table {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		table[c] = c < 0x80 && (letter || isDigit(byte(c)) || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0)
	}
	return table
}()

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isName compares ignoring case; want is in lower case. It is only asked about
// letters and "-", which has the bit of a lower case letter.
func isName(got []byte, want string) bool {
	if len(got) != len(want) {
		return false
	}
	for i, c := range got {
		if c|0x20 != want[i] || c < ' ' {
			return false
		}
	}
	return true
}

// isText says that there is no control character but the tab, eight bytes at
// once: RFC 9110 section 5.5.
func isText(text []byte) bool {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
	)
	for len(text) >= 8 {
		x := binary.LittleEndian.Uint64(text)
		// A byte's high bit: it is below 0x20, or it is 0x7f. A carry from one
		// byte to the next can only raise a false alarm.
		low := (x - 0x20*ones) &^ x
		del := ((x ^ 0x7f*ones) - ones) &^ (x ^ 0x7f*ones)
		if (low|del)&high != 0 && !isTextSlowly(text[:8]) {
			return false
		}
		text = text[8:]
	}
	return isTextSlowly(text)
}

func isTextSlowly(text []byte) bool {
	for _, c := range text {
		if (c < ' ' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return true
}

// trim takes spaces and tabs off both ends.
func trim(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for len(text) > 0 && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	return text
}
