namespace Portal.Core.Workspaces;

/// <summary>What becomes of a worker that ended by itself.</summary>
public enum MendState
{
    /// <summary>Nothing of the kind happened.</summary>
    None,
    /// <summary>It is being started again.</summary>
    Again,
    /// <summary>It ended too often within a short time and is left alone for now.</summary>
    GivenUp,
}

/// <summary>How Jobs writes it down: entries of the audit, which nobody can change.</summary>
public static class Mending
{
    public const string Verb = "MendWorkers", Again = "again", GivenUp = "given up";
}
