// Package netfault has the tests of what networks and machines do to a worker
// and its master: packets that vanish, connections that are reset, slow and
// lossy lines, processes that freeze, die and come back elsewhere.
//
// Real masters and the real binary run in network namespaces of their own,
// joined by veth pairs through a router, which is the namespace of the test
// process itself. Linux and root are needed; without them every test is
// skipped, and says so. Nothing of the host's own network is touched.
package netfault
