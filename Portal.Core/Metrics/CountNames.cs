namespace Portal.Core.Metrics;

/// <summary>Counts that no template names.</summary>
public static class CountNames
{
    public const string Kernels = "kernels", BusyKernels = "busy-kernels", Terminals = "terminals";

    /// <summary>How many signals answered; written at each look, so its newest row says when somebody looked last.</summary>
    public const string Signals = "signals";
}
