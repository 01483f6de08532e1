//go:build linux

package passthrough

import (
	"github.com/fastfsd/fastfsd/vfs"
)

// lockPost is the end of an owner, told by a thread that may not wait for the locks of the file. Whoever holds them then sees to it
// before anything else.
type lockPost struct {
	what  uint8
	file  vfs.Handle // postFile
	owner ownerKey   // postOwner
}

const (
	postFile  = iota // everything that was taken by an open file
	postOwner        // everything of an owner
	postAll
)

// post ends owners at once; where another thread is busy with the file, that thread does it.
func (t *lockTable) post(k vfs.Key, p lockPost) {
	f := t.find(k)
	if f == nil {
		return
	}
	f.postMu.Lock()
	f.posts = append(f.posts, p)
	f.nposts.Add(1)
	f.postMu.Unlock()
	t.serve(f)
	t.put(f)
}

// serve does what was posted, unless another thread holds the locks of the file: that one does it. f is pinned.
func (t *lockTable) serve(f *fileLocks) {
	for f.nposts.Load() > 0 && f.mu.TryLock() {
		var done []lockDone
		start, now := f.pace.Begin()
		changed := t.doPosts(f, now, &done)
		if changed && now && t.grant(f, true, &done) {
			t.retry.schedule(t, f, retryFirst)
		}
		if !now {
			t.retry.schedule(t, f, 0) // closes the descriptors, then looks at the waiters
		}
		f.pace.End(start)
		f.mu.Unlock()
		for _, d := range done {
			d.token.Complete(d.e, 0)
		}
	}
}

// doPosts ends the owners that were posted. now says whether the thread may wait for the close of their descriptors.
// Preconditions: f.mu is held.
func (t *lockTable) doPosts(f *fileLocks, now bool, done *[]lockDone) (changed bool) {
	f.postMu.Lock()
	posts := f.posts
	f.posts = nil
	f.nposts.Add(-int32(len(posts)))
	f.postMu.Unlock()
	for _, p := range posts {
		if p.what == postOwner {
			if o := f.owners[p.owner]; o != nil {
				t.end(f, o, now, done)
				changed = true
			}
			continue
		}
		for _, o := range f.owners {
			if p.what == postAll || o.file == p.file && len(o.set) > 0 {
				t.end(f, o, now, done)
				changed = true
			}
		}
	}
	return changed
}

// end takes everything from an owner: its waiters go away empty. Preconditions: f.mu is held.
func (t *lockTable) end(f *fileLocks, o *lockOwner, now bool, done *[]lockDone) {
	if len(o.set) > 0 {
		t.apply(f, o, wholeFile, true)
	}
	keep := f.waiters[:0]
	for _, w := range f.waiters {
		if w.o != o {
			keep = append(keep, w)
			continue
		}
		if w.state.CompareAndSwap(waitQueued, waitDone) {
			t.waits.remove(w)
			*done = append(*done, lockDone{w.token, vfs.EINTR})
		}
		o.waiters--
		t.put(f)
	}
	clear(f.waiters[len(keep):])
	f.waiters = keep
	t.tidy(f, o, now) // the close ends the host's locks
}

// drop forgets all locks of a file that nobody can reach any more.
func (t *lockTable) drop(k vfs.Key) { t.post(k, lockPost{what: postAll}) }

// stop forgets everything.
func (t *lockTable) stop() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		keys := make([]vfs.Key, 0, len(s.files))
		for k := range s.files {
			keys = append(keys, k)
		}
		s.mu.Unlock()
		for _, k := range keys {
			t.drop(k)
		}
	}
}
