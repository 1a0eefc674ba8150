using Portal.Core.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>The contract on btrfs.</summary>
public sealed class LocalStorageContractTests(LabFixture fixture) : StorageContract, IClassFixture<LabFixture>
{
    protected override IShareCloud Shares => fixture.Lab.Shares;
    protected override IFilesetCloud Filesets => fixture.Lab.Filesets;
    protected override bool Shrinks => true;
    protected override bool ReportsUsage => true;
    protected override bool MountsHere => true;
}
