package host

// SetCores makes the sampler believe in that many usable cores.
func (s *Sampler) SetCores(cores int) { s.cores = func() int { return cores } }
