// Command netpol-judge runs the NetworkPolicy test cases that cyclonus generates against a cluster, and compares what its pods can reach with
// the truth tables that cyclonus computes. It prints one JSON object a line: first the number of cases, then each case as it ends.
//
// It differs from `cyclonus generate` in three ways: the image comes from the node instead of a registry, a stride picks an even sample
// of the cases, and the output can be read by a program. Cases, truth tables and comparison are upstream's.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	"github.com/sirupsen/logrus"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	podTimeoutSeconds = 120
	// The second that a policy may take from its creation to its enforcement.
	settleSeconds = 1
	// A probe that differs is made once more, as upstream does by default: a busy machine may answer late.
	retries = 1
)

var (
	namespaces = []string{"x", "y", "z"}
	pods       = []string{"a", "b", "c"}
	ports      = []int{80, 81}
)

type options struct {
	image, mode string
	sctp        string
	protocols   []v1.Protocol
	stride      int
	match       string
}

// verdict is what is told of one case.
type verdict struct {
	Number  int      `json:"number"`
	Name    string   `json:"name"`
	Tags    []string `json:"tags"`
	Passed  bool     `json:"passed"`
	Seconds float64  `json:"seconds"`
	// Right and Wrong count the connections between different pods, in the last probe of each step.
	Right  int    `json:"right"`
	Wrong  int    `json:"wrong"`
	Detail string `json:"detail,omitempty"`
}

func main() {
	out := os.Stdout
	// cyclonus reports on standard output, which is ours for the verdicts.
	os.Stdout = os.Stderr
	logrus.SetLevel(logrus.WarnLevel)
	if err := run(parse(), json.NewEncoder(out)); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

func parse() options {
	var chosen options
	flag.StringVar(&chosen.image, "image", "", "image of the test pods, already on the node, with /agnhost and /worker")
	flag.StringVar(&chosen.mode, "mode", "", "what to connect to: pod-ip, service-ip or service-name; by default as each case says")
	flag.StringVar(&chosen.sctp, "sctp", "agnhost", "who serves SCTP: agnhost, worker (where the kernel has no SCTP sockets) or none")
	flag.IntVar(&chosen.stride, "stride", 1, "run every so-manieth case only")
	flag.StringVar(&chosen.match, "match", "", "run only cases whose description contains this")
	flag.Parse()
	chosen.protocols = []v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP}
	if chosen.sctp != "none" {
		chosen.protocols = append(chosen.protocols, v1.ProtocolSCTP)
	}
	return chosen
}

func run(chosen options, verdicts *json.Encoder) error {
	client, err := connect()
	if err != nil {
		return err
	}
	cluster := &localImages{IKubernetes: client, image: chosen.image, workerServesSCTP: chosen.sctp == "worker"}
	resources, err := probe.NewDefaultResources(cluster, namespaces, pods, ports, chosen.protocols, nil, podTimeoutSeconds, true, "")
	if err != nil {
		return err
	}
	cases, err := chosenCases(chosen, resources)
	if err != nil {
		return err
	}
	if err := verdicts.Encode(map[string]int{"cases": len(cases)}); err != nil {
		return err
	}
	interpreter := connectivity.NewInterpreter(cluster, resources, &connectivity.InterpreterConfig{
		ResetClusterBeforeTestCase:       true,
		KubeProbeRetries:                 retries,
		PerturbationWaitSeconds:          settleSeconds,
		VerifyClusterStateBeforeTestCase: true,
		BatchJobs:                        true,
		IgnoreLoopback:                   true,
		JobTimeoutSeconds:                1,
	})
	for _, numbered := range cases {
		if err := verdicts.Encode(judge(interpreter, numbered)); err != nil {
			return err
		}
	}
	return nil
}

// connect reads KUBECONFIG. cyclonus leaves client-go's limit of five requests a second, of which every case needs fifty.
func connect() (*kube.Kubernetes, error) {
	client, err := kube.NewKubernetesForContext("")
	if err != nil {
		return nil, err
	}
	client.RestConfig.QPS = -1
	client.ClientSet, err = kubernetes.NewForConfig(client.RestConfig)
	return client, err
}

type numberedCase struct {
	number int
	*generator.TestCase
}

// chosenCases numbers all cases from 1 and picks those that are to run.
func chosenCases(chosen options, resources *probe.Resources) ([]numberedCase, error) {
	target, err := resources.GetPod("z", "c")
	if err != nil {
		return nil, err
	}
	var cases []numberedCase
	all := generator.NewTestCaseGenerator(true, target.IP, namespaces, nil, nil).GenerateTestCases()
	for index, each := range all {
		if index%chosen.stride == 0 && strings.Contains(each.Description, chosen.match) {
			cases = append(cases, numberedCase{index + 1, withMode(each, generator.ProbeMode(chosen.mode))})
		}
	}
	return cases, nil
}

func withMode(testCase *generator.TestCase, mode generator.ProbeMode) *generator.TestCase {
	for _, step := range testCase.Steps {
		if mode != "" {
			// Cases share their probe configurations, so each step gets a copy of its own.
			copied := *step.Probe
			copied.Mode = mode
			step.Probe = &copied
		}
	}
	return testCase
}

func judge(interpreter *connectivity.Interpreter, numbered numberedCase) verdict {
	began := time.Now()
	result := interpreter.ExecuteTestCase(numbered.TestCase)
	told := verdict{
		Number:  numbered.number,
		Name:    numbered.Description,
		Tags:    numbered.Tags.Keys(),
		Passed:  result.Err == nil && result.Passed(true),
		Seconds: time.Since(began).Seconds(),
	}
	if result.Err != nil {
		told.Detail = result.Err.Error()
	}
	for number, step := range result.Steps {
		for _, counts := range step.LastComparison().ValueCountsByProtocol(true) {
			told.Right += counts[connectivity.SameComparison]
			told.Wrong += counts[connectivity.DifferentComparison]
		}
		if !step.Passed(true) {
			told.Detail += fmt.Sprintf("step %d, expected:\n%s\nfound:\n%s\ndifferences:\n%s\n", number+1,
				step.SimulatedProbe.RenderTable(), step.LastKubeProbe().RenderTable(), step.LastComparison().RenderSuccessTable())
		}
	}
	return told
}

// localImages puts the image on the node in the place of the one that cyclonus names.
type localImages struct {
	kube.IKubernetes
	image            string
	workerServesSCTP bool
}

// CreatePod creates cyclonus' pod with the local image.
func (l *localImages) CreatePod(pod *v1.Pod) (*v1.Pod, error) {
	for index := range pod.Spec.Containers {
		container := &pod.Spec.Containers[index]
		container.Image = l.image
		if port := container.Ports[0]; port.Protocol == v1.ProtocolSCTP && l.workerServesSCTP {
			container.Command = []string{"/worker", "--serve-sctp", fmt.Sprint(port.ContainerPort)}
		}
	}
	return l.IKubernetes.CreatePod(pod)
}
