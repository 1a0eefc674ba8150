namespace Portal.IntegrationTests;

/// <summary>Tests that do something to what all tests share, such as killing the database server: no other test runs beside them.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
