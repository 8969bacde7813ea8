package examples

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	namedTest = regexp.MustCompile("`(Test\\w+)`")
)

// Every scenario is shown by tests, and the tests are there.
func TestScenariosNameTestsThatExist(t *testing.T) {
	root := os.DirFS("..")
	there := map[string]bool{}
	require.NoError(t, fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range testFunc.FindAllStringSubmatch(read(t, root, path), -1) {
			there[m[1]] = true
		}
		return nil
	}))
	page := read(t, root, "docs/scenarios.md")
	for _, m := range namedTest.FindAllStringSubmatch(page, -1) {
		require.True(t, there[m[1]], "docs/scenarios.md names %s, which is no test of this project", m[1])
	}
	rows := regexp.MustCompile(`(?m)^\| \d+ \| .+$`).FindAllString(page, -1)
	require.Len(t, rows, 27)
	for _, row := range rows {
		require.Regexp(t, namedTest, strings.Split(row, " | ")[2], "%s", row)
	}
}
