package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// imageEnd is what the name of an image ends with.
	imageEnd = ".ext4"

	// unfinishedEnd is what the name of an image ends with until it holds a whole file system.
	unfinishedEnd = imageEnd + ".new"

	// mountOptions attach the image to a loop device that is free, and give blocks that the file system no longer
	// uses back to the disk. The device lets go of the image by itself at the last unmount.
	mountOptions = "loop,discard"
)

// makeFileSystem is the command that makes a file system in an image. Its files may be encrypted by whoever owns them
// (fscrypt), nothing is set aside for root, and what need not be written stays a hole in the image.
var makeFileSystem = []string{
	"mkfs.ext4", "-q", "-F", "-O", "encrypt", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1",
}

// volumes are ext4 file systems of exactly the size that was asked for. Each lies in a sparse file in the folder images
// and is mounted on the folder of its name in the folder mounts.
//
// A folder in mounts without an image is a volume of an older platform: it stays as it is, without a limit.
type volumes struct {
	mounts string
	images string
}

// create makes a volume of some bytes and mounts it; what an interrupted call has made already stays.
func (v *volumes) create(ctx context.Context, name string, size int64) error {
	if err := os.MkdirAll(v.images, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(v.image(name)); errors.Is(err, fs.ErrNotExist) {
		if err := v.makeImage(ctx, name, size); err != nil {
			return err
		}
	}
	if err := v.mount(ctx, name); err != nil {
		return err
	}
	return handOver(v.folder(name))
}

// delete unmounts a volume and removes it; what is gone already may be.
func (v *volumes) delete(name string) error {
	folder := v.folder(name)
	if isMounted(folder) {
		if err := syscall.Unmount(folder, 0); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", folder, err)
		}
	}
	for _, path := range []string{v.unfinished(name), v.image(name)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.RemoveAll(folder)
}

// mountAll mounts every volume that is not mounted.
func (v *volumes) mountAll(ctx context.Context) error {
	images, err := filepath.Glob(filepath.Join(v.images, "*"+imageEnd))
	if err != nil {
		return err
	}
	var failures []error
	for _, image := range images {
		failures = append(failures, v.mount(ctx, strings.TrimSuffix(filepath.Base(image), imageEnd)))
	}
	return errors.Join(failures...)
}

// removeUnfinished removes what the end of the machine or of this program has left of images: nobody may ask for them
// again.
func (v *volumes) removeUnfinished() error {
	left, err := filepath.Glob(filepath.Join(v.images, "*"+unfinishedEnd))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (v *volumes) folder(name string) string {
	return filepath.Join(v.mounts, filepath.Base(name))
}

func (v *volumes) image(name string) string {
	return filepath.Join(v.images, filepath.Base(name)+imageEnd)
}

func (v *volumes) unfinished(name string) string {
	return filepath.Join(v.images, filepath.Base(name)+unfinishedEnd)
}

// makeImage gives the image its name only when its file system is whole.
func (v *volumes) makeImage(ctx context.Context, name string, size int64) error {
	unfinished := v.unfinished(name)
	if err := os.WriteFile(unfinished, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(unfinished, size); err != nil {
		return err
	}
	if err := execute(ctx, append(makeFileSystem, unfinished)...); err != nil {
		return errors.Join(fmt.Errorf("a volume of %d bytes: %w", size, err), os.Remove(unfinished))
	}
	return os.Rename(unfinished, v.image(name))
}

func (v *volumes) mount(ctx context.Context, name string) error {
	folder := v.folder(name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if isMounted(folder) {
		return nil
	}
	return execute(ctx, "mount", "-t", "ext4", "-o", mountOptions, v.image(name), folder)
}

// handOver makes a new volume one that any user of a pod may write: only pods that claim it ever see it, and the folder
// above it is closed to users of the machine. It starts empty; a repair makes lost+found anew where it needs it.
func handOver(folder string) error {
	if err := os.Remove(filepath.Join(folder, "lost+found")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Chmod(folder, 0o777)
}

// isMounted tells whether a folder is on another device than the folder above it.
func isMounted(folder string) bool {
	var own, above syscall.Stat_t
	if syscall.Stat(folder, &own) != nil || syscall.Stat(filepath.Dir(folder), &above) != nil {
		return false
	}
	return own.Dev != above.Dev
}

func execute(ctx context.Context, command ...string) error {
	said, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(said)))
	}
	return nil
}
