namespace Portal.TestKit.Scripted;

/// <summary>What a call does, chosen by the test before each call.</summary>
public enum Mood
{
    /// <summary>It works.</summary>
    Well,
    /// <summary>It succeeds but the response is lost: the caller gets Unavailable.</summary>
    WorksAnswerLost,
    /// <summary>Nothing happens, and the caller gets Unavailable.</summary>
    Unavailable,
    /// <summary>The cloud refuses, permanently.</summary>
    Refuses,
    /// <summary>The caller dies here; its request is carried out, but the response is lost.</summary>
    CallerDiesDone,
    /// <summary>The caller dies here; its request is carried out only at <see cref="ScriptedClouds.LandLateCalls"/>.</summary>
    CallerDiesLate,
    /// <summary>A new rule becomes active only after some looks.</summary>
    AllowsSlowly,
    /// <summary>A rule is still in force for some looks after it was denied.</summary>
    DeniesSlowly,
    /// <summary>A new rule ends in error instead of becoming active.</summary>
    RuleInError,
    /// <summary>A work folder is being made for some looks.</summary>
    MakesFoldersSlowly,
    /// <summary>A work folder ends in error.</summary>
    FolderInError,
    /// <summary>New nodes are being built for some looks.</summary>
    BuildsSlowly,
    /// <summary>New nodes end broken instead of running.</summary>
    BreaksNodes,
}
