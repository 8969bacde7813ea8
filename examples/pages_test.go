package examples

import (
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const readme = "README.md"

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?s)```.*?```")
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// Every link between the project's pages leads somewhere, and a reader who
// starts at README reaches every page in two clicks.
func TestEveryPageIsTwoClicksAway(t *testing.T) {
	root := os.DirFS("..")
	pages, err := fs.Glob(root, "docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)

	near := map[string]bool{}
	for _, first := range links(t, root, readme) {
		near[first] = true
		if strings.HasSuffix(first, ".md") {
			for _, second := range links(t, root, first) {
				near[second] = true
			}
		}
	}
	for _, page := range pages {
		require.True(t, near[page], "%s is not two clicks from %s", page, readme)
		links(t, root, page)
	}
}

// links returns what a page links to in this project, and fails where a link
// leads nowhere.
func links(t *testing.T, root fs.FS, page string) []string {
	t.Helper()
	text := read(t, root, page)
	var to []string
	for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		u, err := url.Parse(m[1])
		require.NoError(t, err, "%s: %s", page, m[1])
		if u.IsAbs() {
			continue
		}
		target := page
		if u.Path != "" {
			target = path.Join(path.Dir(page), u.Path)
		}
		_, err = fs.Stat(root, target)
		require.NoError(t, err, "%s links to %s", page, m[1])
		if u.Fragment != "" && strings.HasSuffix(target, ".md") {
			require.Contains(t, anchors(read(t, root, target)), u.Fragment, "%s links to %s", page, m[1])
		}
		to = append(to, target)
	}
	return to
}

// anchors returns the fragments of a page's headings, as GitHub makes them.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		slug := notSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

// What README says to copy is what the quickstart runs.
func TestReadmeShowsTheControllerOfTheQuickstart(t *testing.T) {
	root := os.DirFS("..")
	_, snippet, found := strings.Cut(read(t, root, readme), "```go\n")
	require.True(t, found)
	snippet, _, _ = strings.Cut(snippet, "```")
	require.Contains(t, read(t, root, "examples/quickstart/controller.go"), snippet)
}

// The test command of README is the one that CI runs.
func TestCIRunsTheCommandOfReadme(t *testing.T) {
	root := os.DirFS("..")
	m := regexp.MustCompile(`(?m)^    (go test .*)$`).FindStringSubmatch(read(t, root, readme))
	require.NotNil(t, m)
	require.Contains(t, strings.Split(read(t, root, ".ci/run"), "\n"), m[1])
}

func read(t *testing.T, root fs.FS, name string) string {
	t.Helper()
	b, err := fs.ReadFile(root, name)
	require.NoError(t, err)
	return string(b)
}
