package workspaces

// Handlers returns how many handlers the watcher has, and how many workspaces
// use them.
func (w *Watcher) Handlers() (handlers, users int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.feeds {
		users += f.users
	}
	return len(w.feeds), users
}
