namespace Portal.Core.Metrics;

/// <summary>Counts that are not defined by a template.</summary>
public static class CountNames
{
    public const string Kernels = "kernels", BusyKernels = "busy-kernels", Terminals = "terminals";

    /// <summary>Number of signals that answered; written at each check, so its newest row says when the last check was.</summary>
    public const string Signals = "signals";
}
