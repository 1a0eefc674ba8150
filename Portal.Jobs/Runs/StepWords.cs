using Portal.Core.Runs;

namespace Portal.Jobs.Runs;

/// <summary>The line that a finished step leaves in the workspace's log, for its owner.</summary>
internal static class StepWords
{
    public static string Done(StepKey step) => step switch
    {
        StepKey.CheckOrder => "The order was checked, and addresses were taken for it.",
        StepKey.EnsureWorkFolder => "Your folders are there.",
        StepKey.EnsureAccess => "Your folders are mounted.",
        StepKey.EnsureCluster => "The network and its nodes are started.",
        StepKey.ProveEngine => "Every node answers, and every worker has registered.",
        StepKey.ProveNotebook => "A kernel has computed: it is ready.",
        StepKey.StopNodes => "No node runs any more.",
        StepKey.Unmount => "Your work folder is no longer mounted.",
        StepKey.DenyAccess => "Nothing may reach your work folder for it any more.",
        StepKey.DropNetwork => "The network is gone and its addresses are given back.",
        StepKey.DropScratch => "What the engine kept for itself is removed.",
        StepKey.Forget => "It is deleted; your files stay.",
        StepKey.CheckResize => "The new number of workers was checked.",
        StepKey.DrainWorkers => "The workers that go have left the engine.",
        StepKey.DropWorkers => "The workers that go are gone, and what they held is given back.",
        StepKey.UnmountWorkers => "Their folders are no longer mounted.",
        StepKey.DropWorkerScratch => "Their folders are removed.",
        StepKey.KeepWorkers => "It has its new number of workers.",
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };
}
