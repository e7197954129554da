package stats

// pageSize is the number of counters in a page. It is half of the
// histogram's sub-buckets, so that a page is exactly one power of two of
// latency, and the position within it is the next ten bits of the value.
const pageSize = 1024

// page holds the counters of one stretch of a distribution: 8 KB. Most rows
// touch three to six pages of the histogram and one of the buckets.
type page [pageSize]int64

// addPages adds each counter of from to the one of into, and takes a page
// where into has none. Nothing is lost: the layouts are the same.
func addPages(into, from []*page) {
	for i, source := range from {
		if source == nil {
			continue
		}
		if into[i] == nil {
			fresh := *source
			into[i] = &fresh
			continue
		}
		target := into[i]
		for k, n := range source {
			target[k] += n
		}
	}
}

// pagePool lends zeroed pages. Those that come back stay dirty until they are
// lent again: a swap then costs no more than moving pointers, and the price
// of zeroing is spread over the samples that first touch a page. It holds as
// many pages as were in use at the same time. Owner goroutine only.
type pagePool struct {
	dirty []*page
}

func (p *pagePool) take() *page {
	last := len(p.dirty) - 1
	if last < 0 {
		return new(page)
	}
	taken := p.dirty[last]
	p.dirty = p.dirty[:last]
	*taken = page{}
	return taken
}

// takeBack empties the pointers in pages.
func (p *pagePool) takeBack(pages []*page) {
	for i, returned := range pages {
		if returned != nil {
			p.dirty = append(p.dirty, returned)
			pages[i] = nil
		}
	}
}
