// Command provisioner gives a claim of one of the local storage classes a file system of its own on the node, as a
// PersistentVolume of type "local" bound to that node, and removes it with the volume. The file system has exactly the
// size that the claim asks for: who writes more is told that no space is left.
//
// With the word "mount" it mounts the volumes that are not mounted, as after a start of the machine, and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
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

type provisioner struct {
	volumes volumes
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file with the address and credentials of the API server")
	root := flag.String("root", "", "folder under which every volume is mounted on a folder of its own")
	images := flag.String("images", "", "folder of the files that hold the volumes' file systems")
	flag.Parse()
	if err := run(*kubeconfig, volumes{mounts: *root, images: *images}, flag.Args()); err != nil {
		klog.ErrorS(err, "provisioner ended")
		os.Exit(1)
	}
}

func run(kubeconfig string, kept volumes, words []string) error {
	if kept.mounts == "" || kept.images == "" {
		return errors.New("both --root and --images are needed")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	switch {
	case len(words) == 0:
		return serve(ctx, kubeconfig, kept)
	case len(words) == 1 && words[0] == "mount":
		return kept.mountAll(ctx)
	default:
		return fmt.Errorf("unknown command %q: only \"mount\" is one", words)
	}
}

func serve(ctx context.Context, kubeconfig string, kept volumes) error {
	if kubeconfig == "" {
		return errors.New("--kubeconfig is needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := kept.removeUnfinished(); err != nil {
		return err
	}
	served := &provisioner{volumes: kept}
	controller.NewProvisionController(ctx, client, Name, served, controller.LeaderElection(false)).Run(ctx)
	return nil
}

// Provision makes the file system of a claim. It refuses an access mode that the storage class does not grant, because
// a folder of the node would silently allow it.
func (p *provisioner) Provision(
	ctx context.Context, options controller.ProvisionOptions,
) (*core.PersistentVolume, controller.ProvisioningState, error) {
	granted := core.PersistentVolumeAccessMode(options.StorageClass.Parameters[modeParameter])
	for _, mode := range options.PVC.Spec.AccessModes {
		if mode != granted {
			return nil, controller.ProvisioningFinished,
				fmt.Errorf("storage class %s grants %s, not %s", options.StorageClass.Name, granted, mode)
		}
	}
	size := options.PVC.Spec.Resources.Requests[core.ResourceStorage]
	if err := p.volumes.create(ctx, options.PVName, size.Value()); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return volume(options, p.volumes.folder(options.PVName)), controller.ProvisioningFinished, nil
}

// Delete removes a volume with all that is in it.
func (p *provisioner) Delete(_ context.Context, volume *core.PersistentVolume) error {
	return p.volumes.delete(volume.Name)
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
