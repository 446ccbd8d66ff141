package main

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	// superblock is where ext4 keeps its description, incompatible its features that a reader must know, and encrypt
	// the one of these that this is about. From fs/ext4/ext4.h.
	superblock   = 1024
	incompatible = superblock + 0x60
	encrypt      = 0x10000
)

func TestAnImageHasTheClaimedSizeTakesLittleAndMayHoldEncryptedFiles(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	const size = 5<<30 + 512
	if err := kept.makeImage(context.Background(), "home", size); err != nil {
		t.Fatal(err)
	}
	found, err := os.Stat(kept.image("home"))
	if err != nil {
		t.Fatal(err)
	}
	if found.Size() != size {
		t.Errorf("the image has %d bytes, not %d", found.Size(), size)
	}
	if taken := found.Sys().(*syscall.Stat_t).Blocks * 512; taken > 8<<20 {
		t.Errorf("an empty image takes %d bytes of the disk", taken)
	}
	if features(t, kept.image("home"))&encrypt == 0 {
		t.Error("the file system lacks the feature encrypt")
	}
}

func features(t *testing.T, image string) uint32 {
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var word [4]byte
	if _, err := file.ReadAt(word[:], incompatible); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint32(word[:])
}

func TestAnInterruptedImageIsMadeAnew(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	if err := os.WriteFile(kept.unfinished("home"), make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	const size = 2 << 20
	if err := kept.makeImage(context.Background(), "home", size); err != nil {
		t.Fatal(err)
	}
	if found, err := os.Stat(kept.image("home")); err != nil || found.Size() != size {
		t.Errorf("the image is %v, %v", found, err)
	}
	expectNames(t, kept.images, "home.ext4")
}

func TestAnInterruptedMakingLeavesNoImage(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	interrupted, interrupt := context.WithCancel(context.Background())
	interrupt()
	if err := kept.create(interrupted, "home", 1<<30); err == nil {
		t.Fatal("an interruption passes for success")
	}
	expectNames(t, kept.images)
}

func TestWhatTheEndOfTheProgramHasLeftIsRemoved(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	for _, path := range []string{kept.unfinished("home"), kept.image("other")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := kept.removeUnfinished(); err != nil {
		t.Fatal(err)
	}
	expectNames(t, kept.images, "other.ext4")
}

func TestASizeThatHoldsNoFileSystemIsNamed(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	err := kept.create(context.Background(), "home", 1024)
	if err == nil || !strings.Contains(err.Error(), "a volume of 1024 bytes: mkfs.ext4") {
		t.Errorf("told %v", err)
	}
	expectNames(t, kept.images)
}

func TestAFolderOfAnOlderPlatformIsLeftAloneAndDeletedWithItsVolume(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: filepath.Join(t.TempDir(), "images")}
	file := filepath.Join(kept.folder("old"), "data")
	if err := os.MkdirAll(kept.folder("old"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := kept.mountAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); string(data) != "kept" {
		t.Errorf("the data are %q, %v", data, err)
	}
	for range 2 {
		if err := kept.delete("old"); err != nil {
			t.Fatal(err)
		}
	}
	expectNames(t, kept.mounts)
}

func TestAnAccessModeThatTheClassDoesNotGrantIsRefused(t *testing.T) {
	kept := volumes{mounts: t.TempDir(), images: t.TempDir()}
	class := &storage.StorageClass{Parameters: map[string]string{modeParameter: "ReadWriteOnce"}}
	class.Name = "local-rwo"
	claim := &core.PersistentVolumeClaim{}
	claim.Spec.AccessModes = []core.PersistentVolumeAccessMode{core.ReadWriteMany}
	options := controller.ProvisionOptions{StorageClass: class, PVC: claim, PVName: "home"}
	_, _, err := (&provisioner{volumes: kept}).Provision(context.Background(), options)
	if err == nil || !strings.Contains(err.Error(), "storage class local-rwo grants ReadWriteOnce, not ReadWriteMany") {
		t.Errorf("told %v", err)
	}
	expectNames(t, kept.images)
}

func TestNoNameLeadsOutOfTheFolders(t *testing.T) {
	kept := volumes{mounts: "/mounts", images: "/images"}
	if folder, image := kept.folder("../up"), kept.image("../up"); folder != "/mounts/up" || image != "/images/up.ext4" {
		t.Errorf("led to %s and %s", folder, image)
	}
}

func expectNames(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := make([]string, 0, len(entries))
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %v, not %v", folder, found, names)
	}
}
