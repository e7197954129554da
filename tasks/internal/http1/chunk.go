package http1

import "bytes"

// maxSizeDigits is more than MaxBody needs and less than overflows.
const maxSizeDigits = 15

// readChunk reads the line with a chunk's size: RFC 9112 section 7.1. What
// stands behind a semicolon, extensions, is not looked at.
func (p *Parser) readChunk(line []byte) error {
	var size int64
	digits := 0
	for digits < len(line) {
		digit := hexDigit(line[digits])
		if digit < 0 {
			break
		}
		size = size<<4 | int64(digit)
		if digits++; digits > maxSizeDigits {
			return ErrChunk
		}
	}
	if digits == 0 || !endsSize(line[digits:]) {
		return ErrChunk
	}
	if size == 0 {
		p.phase = atTrailer
		return nil
	}
	if p.body+size > MaxBody {
		return ErrLargeBody
	}
	p.left, p.phase = size, inChunk
	return nil
}

// endsSize says whether what follows a chunk's size is an extension or white
// space.
func endsSize(rest []byte) bool {
	if bytes.IndexByte(rest, '\r') >= 0 {
		return false
	}
	return len(rest) == 0 || rest[0] == ';' || len(trim(rest)) == 0
}

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	default:
		return -1
	}
}
