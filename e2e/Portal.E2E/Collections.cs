namespace Portal.E2E;

/// <summary>Journeys that stop a process, change what everyone sees or fill the site: no other runs beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Journeys that begin by deleting all workspaces of the same people: one after another.</summary>
[CollectionDefinition(nameof(WorkspacesOfStudents))]
public sealed class WorkspacesOfStudents;
