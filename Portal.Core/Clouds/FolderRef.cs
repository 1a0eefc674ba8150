namespace Portal.Core.Clouds;

/// <summary>A folder with its own limit that nodes can mount.</summary>
public abstract record FolderRef
{
    private FolderRef() { }

    /// <summary>The files of one person in a class.</summary>
    public sealed record Work(Guid Class, Guid Person) : FolderRef;

    /// <summary>The compute engine's data on one node of a workspace, within the class's limit.</summary>
    public sealed record Scratch(Guid Class, Guid Workspace, string Node) : FolderRef;
}

/// <summary>A rule that lets the host of a workspace mount a folder. Rules and mounts carry workspace and generation.</summary>
public sealed record ShareAccess(Guid Workspace, int Generation, FolderRef Folder);

/// <summary>What a node's host mounts into the node.</summary>
public abstract record MountSource
{
    private MountSource() { }

    /// <summary>A folder that the cloud has mounted on the host of the nodes.</summary>
    public sealed record HostPath(string Path) : MountSource;

    /// <summary>An export that the node's host mounts itself, and the folder in it.</summary>
    public sealed record Export(string Location, string SubPath) : MountSource;

    /// <summary>A folder of the portal's own, such as a template's examples, that the cloud brings to the node's host as it is now.</summary>
    /// <param name="Path">On this host.</param>
    /// <param name="Hash">Hex; different for different content.</param>
    public sealed record Content(string Path, string Hash) : MountSource;

    /// <summary>A folder that the cloud makes on the disk of the node's own machine, and that ends with it. No storage knows it.</summary>
    public sealed record OwnDisk(string Name) : MountSource;
}

/// <summary>Where a rule is. Making and removing one may take the storage minutes.</summary>
public abstract record AccessAnswer
{
    private AccessAnswer() { }

    /// <summary>Under way: look again.</summary>
    public sealed record Asked(string Why) : AccessAnswer;

    /// <summary>In force; the folder can be mounted from there.</summary>
    public sealed record Active(MountSource Source) : AccessAnswer;

    /// <summary>The storage could not do it; a new attempt begins with denying what is there.</summary>
    public sealed record Failed(string Cause, string Remedy) : AccessAnswer;

    /// <summary>No longer in force.</summary>
    public sealed record Gone : AccessAnswer;
}
