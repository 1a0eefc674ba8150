namespace Portal.Core.Workspaces;

/// <summary>Automatic restart of a worker that exited on its own.</summary>
public enum RestartState
{
    /// <summary>None exited.</summary>
    None,
    /// <summary>It is being restarted.</summary>
    Again,
    /// <summary>It exited too often within a short time and is not restarted for now.</summary>
    GivenUp,
}

/// <summary>How Jobs records it: audit entries, which are never changed.</summary>
public static class AutomaticRestarts
{
    public const string Verb = "RestartWorkers", Again = "again", GivenUp = "given up";
}
