package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"upsurge/test/scene"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The README's commands do what it says.
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Fatal("the README has no commands")
	}
	folder := t.TempDir()
	for _, block := range blocks {
		command := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-m", "-c", string(block[1]))
		command.Dir = folder
		command.Env = append(os.Environ(), "PATH="+filepath.Dir(scene.Binary(t))+":"+os.Getenv("PATH"))
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, block[1], output)
		}
		if !strings.Contains(string(output), `"accepted":100,"open":0`) || !strings.Contains(string(output), "Aggregated") {
			t.Errorf("%s\n%s", block[1], output)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "result.json")); err != nil {
		t.Error(err)
	}
}
