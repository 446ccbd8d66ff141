// Command provisioner gives a claim of one of the local storage classes a folder of its own on the node, as a
// PersistentVolume of type "local" bound to that node, and removes the folder with the volume.
//
// A folder has no size limit of its own: the requested capacity is recorded, not enforced.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is what a StorageClass of this provisioner carries in its field "provisioner".
const Name = "cloison.local/folder"

// modeParameter is the StorageClass parameter that holds the one access mode the class grants.
const modeParameter = "accessMode"

type folders struct {
	root string
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file with the address and credentials of the API server")
	root := flag.String("root", "", "folder under which every volume gets a folder of its own")
	flag.Parse()
	if err := run(*kubeconfig, *root); err != nil {
		klog.ErrorS(err, "provisioner ended")
		os.Exit(1)
	}
}

func run(kubeconfig, root string) error {
	if kubeconfig == "" || root == "" {
		return errors.New("both --kubeconfig and --root are needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	controller.NewProvisionController(ctx, client, Name, &folders{root: root}, controller.LeaderElection(false)).Run(ctx)
	return nil
}

// Provision makes the folder of a claim. It refuses an access mode that the storage class does not grant, because a
// folder would silently allow it.
func (f *folders) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*core.PersistentVolume, controller.ProvisioningState, error) {
	granted := core.PersistentVolumeAccessMode(options.StorageClass.Parameters[modeParameter])
	for _, mode := range options.PVC.Spec.AccessModes {
		if mode != granted {
			return nil, controller.ProvisioningFinished,
				fmt.Errorf("storage class %s grants %s, not %s", options.StorageClass.Name, granted, mode)
		}
	}
	path, err := f.create(options.PVName)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return volume(options, path), controller.ProvisioningFinished, nil
}

// Delete removes the folder of a volume.
func (f *folders) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return os.RemoveAll(f.path(volume.Name))
}

func (f *folders) path(name string) string {
	return filepath.Join(f.root, filepath.Base(name))
}

// create makes a folder that any user of a pod may write: only pods that claim the volume ever see it, and the root
// above it is closed to users of the machine.
func (f *folders) create(name string) (string, error) {
	path := f.path(name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o777)
}

func volume(options controller.ProvisionOptions, path string) *core.PersistentVolume {
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: options.PVName},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   options.PVC.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity: core.ResourceList{
				core.ResourceStorage: options.PVC.Spec.Resources.Requests[core.ResourceStorage],
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: onNode(options.SelectedNodeName)},
			PersistentVolumeSource: core.PersistentVolumeSource{
				Local: &core.LocalVolumeSource{Path: path},
			},
		},
	}
}

func onNode(name string) *core.NodeSelector {
	return &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{{
		MatchExpressions: []core.NodeSelectorRequirement{{
			Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{name},
		}},
	}}}
}
