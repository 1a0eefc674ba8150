using Portal.Core.Runs;

namespace Portal.Jobs.Leases;

/// <summary>The line that a finished step leaves in the workspace's log, for its owner.</summary>
internal static class StepMessages
{
    public static string Done(StepKey step) => step switch
    {
        StepKey.CheckOrder => "Quota and configuration were checked, and network addresses were allocated.",
        StepKey.EnsureWorkFolder => "Your folders are ready.",
        StepKey.EnsureAccess => "Access to your folders is in place.",
        StepKey.EnsureCluster => "The network and the nodes have started.",
        StepKey.ProveEngine => "Every node responds, and every worker has registered.",
        StepKey.ProveNotebook => "The notebook responds: the workspace is ready.",
        StepKey.StopNodes => "All nodes have stopped.",
        StepKey.Unmount => "Your work folder is no longer mounted.",
        StepKey.DenyAccess => "Access to your work folder has been revoked.",
        StepKey.DropNetwork => "The network was removed and its addresses were released.",
        StepKey.DropScratch => "The scratch folders were removed.",
        StepKey.Forget => "The workspace was deleted; your files are kept.",
        StepKey.CheckResize => "The new number of workers was checked.",
        StepKey.DrainWorkers => "The workers being removed have left the compute engine.",
        StepKey.DropWorkers => "The workers were removed and their resources released.",
        StepKey.UnmountWorkers => "Their folders are no longer mounted.",
        StepKey.DropWorkerScratch => "Their folders were removed.",
        StepKey.KeepWorkers => "The workspace has its new number of workers.",
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };
}
