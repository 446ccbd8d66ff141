package main

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of linux/fscrypt.h that golang.org/x/sys/unix does not name.
const (
	getPolicy = 0xc0096616 // FS_IOC_GET_ENCRYPTION_POLICY_EX
	addKey    = 0xc0506617 // FS_IOC_ADD_ENCRYPTION_KEY
	removeKey = 0xc0406618 // FS_IOC_REMOVE_ENCRYPTION_KEY
)

// keyIdentifier is the kernel's name for a key, derived from it.
type keyIdentifier [unix.FSCRYPT_KEY_IDENTIFIER_SIZE]byte

// rawKey is a key as FS_IOC_ADD_ENCRYPTION_KEY takes it: its bytes right behind the argument.
type rawKey struct {
	argument unix.FscryptAddKeyArg
	bytes    [unix.FSCRYPT_MAX_KEY_SIZE]byte
}

// request makes one ioctl on a folder.
func request(path string, number uintptr, argument unsafe.Pointer) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, _, failed := unix.Syscall(unix.SYS_IOCTL, folder.Fd(), number, uintptr(argument)); failed != 0 {
		return failed
	}
	return nil
}

// canEncrypt asks whether the file system of a folder can encrypt.
func canEncrypt(path string) (bool, error) {
	_, _, err := policyOf(path)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOTTY) {
		return false, nil
	}
	return true, err
}

// policyOf reads whose key encrypts a folder, if any does.
func policyOf(path string) (keyIdentifier, bool, error) {
	argument := unix.FscryptGetPolicyExArg{Size: uint64(unsafe.Sizeof(unix.FscryptPolicyV2{}))}
	err := request(path, getPolicy, unsafe.Pointer(&argument))
	if errors.Is(err, unix.ENODATA) {
		return keyIdentifier{}, false, nil
	}
	if err != nil {
		return keyIdentifier{}, false, err
	}
	policy := (*unix.FscryptPolicyV2)(unsafe.Pointer(&argument.Policy))
	if policy.Version != unix.FSCRYPT_POLICY_V2 {
		return keyIdentifier{}, true, fmt.Errorf("%s has an encryption policy that is not of version 2", path)
	}
	return policy.Master_key_identifier, true, nil
}

// setPolicy has an empty folder encrypted by a key that was added.
func setPolicy(path string, identifier keyIdentifier) error {
	policy := unix.FscryptPolicyV2{
		Version:                   unix.FSCRYPT_POLICY_V2,
		Contents_encryption_mode:  unix.FSCRYPT_MODE_AES_256_XTS,
		Filenames_encryption_mode: unix.FSCRYPT_MODE_AES_256_CTS,
		Flags:                     unix.FSCRYPT_POLICY_FLAGS_PAD_32,
		Master_key_identifier:     identifier,
	}
	return request(path, unix.FS_IOC_SET_ENCRYPTION_POLICY, unsafe.Pointer(&policy))
}

// insertKey gives the kernel a key for the file system of a folder.
func insertKey(path string, key []byte) (keyIdentifier, error) {
	var raw rawKey
	defer clear(raw.bytes[:])
	raw.argument.Key_spec.Type = unix.FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
	raw.argument.Raw_size = uint32(copy(raw.bytes[:], key))
	err := request(path, addKey, unsafe.Pointer(&raw))
	return keyIdentifier(raw.argument.Key_spec.U[:unix.FSCRYPT_KEY_IDENTIFIER_SIZE]), err
}

// withdrawKey takes a key back, and reports whether files that are open keep parts of it in the kernel.
func withdrawKey(path string, identifier keyIdentifier) (bool, error) {
	var argument unix.FscryptRemoveKeyArg
	argument.Key_spec.Type = unix.FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
	copy(argument.Key_spec.U[:], identifier[:])
	err := request(path, removeKey, unsafe.Pointer(&argument))
	return argument.Removal_status_flags&unix.FSCRYPT_KEY_REMOVAL_STATUS_FLAG_FILES_BUSY != 0, err
}
