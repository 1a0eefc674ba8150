using System.Net;
using CsCheck;
using Portal.Core.Clouds;
using Portal.Core.Quotas;

namespace Portal.Tests.Clouds;

/// <summary>What a node occupies in its cloud, and where its ports are reached.</summary>
public sealed class MachinesTests
{
    private static readonly Machines Flavors = new([new("large", 4, 8192), new("small", 1, 2048), new("wide", 4, 4096), new("medium", 2, 4096)], 512);

    [Theory]
    [InlineData(1, 1024, "small")]
    [InlineData(1, 1536, "small")] // exactly, with what the machine needs for itself
    [InlineData(1, 1537, "medium")]
    [InlineData(3, 1024, "wide")]
    [InlineData(4, 4096, "large")]
    [InlineData(5, 1024, null)]
    [InlineData(1, 8192, null)]
    public void For_Node_IsTheSmallestFlavorThatHoldsItAndTheMachinesOwnNeeds(int vcpu, int memoryMib, string? name) =>
        (Flavors.For(new(vcpu, memoryMib, 0, 0))?.Name).ShouldBe(name);

    [Theory]
    [InlineData(4, 7680, null)]
    [InlineData(5, 1024, Resource.Vcpu)]
    [InlineData(4, 8192, Resource.Memory)] // the machine needs some of it for itself
    public void Lacks_NodeThatNoFlavorHolds_SaysOfWhat(int vcpu, int memoryMib, Resource? resource) =>
        Flavors.Lacks(new(vcpu, memoryMib, 0, 0)).ShouldBe(resource);

    [Fact]
    public void Occupied_Nodes_CountsTheirMachines() =>
        Flavors.Occupied([new(1, 1024, 7, 0), new(1, 1024, 0, 0), new(4, 4096, 0, 0)]).ShouldBe(new(6, 12_288, 0, 0));

    [Fact]
    public void Occupied_WithoutFlavors_IsTheNodesLimits() => Machines.Exact.Occupied([new(1, 1024, 7, 0), new(2, 700, 0, 0)]).ShouldBe(new(3, 1724, 0, 0));

    [Fact]
    public void Occupied_AnyNode_IsNeverLessThanItsLimits() => Gen.Select(Gen.Int[1, 6], Gen.Int[16, 9000]).Sample((vcpu, memory) =>
    {
        var node = new Amounts(vcpu, memory, 0, 0);
        node.FirstAbove(Flavors.Occupied(node)).ShouldBeNull();
    });

    [Theory]
    [InlineData("8888=192.0.2.7:31234", 8888, "192.0.2.7", 31234)]
    [InlineData("22=[2001:db8::1]:22", 22, "2001:db8::1", 22)]
    public void MappedPort_AsRowsKeepIt_ReadsTheSame(string text, int port, string address, int at)
    {
        var mapped = MappedPort.Parse(text);
        (mapped.Port, mapped.At, mapped.ToString()).ShouldBe((port, new(IPAddress.Parse(address), at), text));
    }
}
