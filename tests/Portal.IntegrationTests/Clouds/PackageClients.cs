namespace Portal.IntegrationTests.Clouds;

/// <summary>Tests of pip and Maven: they change environment variables of this process that those read, so they run one after another.</summary>
[CollectionDefinition(nameof(PackageClients))]
public sealed class PackageClients;
