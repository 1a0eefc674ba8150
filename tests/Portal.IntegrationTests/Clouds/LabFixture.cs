using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>One installation on the real container engine for a test class.</summary>
public sealed class LabFixture : IAsyncLifetime
{
    private CloudLab? _lab;

    public CloudLab Lab => _lab ?? throw new InvalidOperationException("the lab did not open");

    public ValueTask InitializeAsync()
    {
        _lab = CloudLab.Open();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_lab is not { } lab) return;
        var recounts = (await lab.Shares.PrepareAsync(CancellationToken.None)).Recounting;
        await lab.DisposeAsync();
        recounts.ShouldBeFalse("a test of this class, or one beside it, ended the accounting of the disk that all tests share: it needs an OwnDisk");
    }
}
