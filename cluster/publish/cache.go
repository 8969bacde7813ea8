package publish

import (
	"encoding/json"
	"sync"
)

// Cache remembers the schemas that importers made of documents. API servers
// give each document a hash: clusters whose documents are the same, as those of
// one version mostly are, share one schema, which is made once.
type Cache struct {
	mu      sync.Mutex
	schemas map[string]*Schema
}

// NewCache returns an empty cache, for any number of importers.
func NewCache() *Cache { return &Cache{schemas: map[string]*Schema{}} }

// WithCache lets an importer use a cache that it shares with others.
func WithCache(c *Cache) ImportOption {
	return func(i *Importer) {
		if c != nil {
			i.cache = c
		}
	}
}

// maxCached bounds a cache: fleets have few versions of few kinds.
const maxCached = 4096

func (c *Cache) lookup(key string) (*Schema, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.schemas[key]
	return s, ok
}

func (c *Cache) put(key string, s *Schema) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.schemas) >= maxCached {
		clear(c.schemas)
	}
	c.schemas[key] = s
}

// cacheKey says what a schema is made of.
func cacheKey(url string, parts ...any) (string, error) {
	data, err := json.Marshal(parts)
	return url + " " + string(data), err
}
