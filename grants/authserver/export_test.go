package authserver

// Waiting tells how many accounts somebody waits for, or has the turn of.
func (s *Server) Waiting() int {
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	return len(s.turns.queue)
}
