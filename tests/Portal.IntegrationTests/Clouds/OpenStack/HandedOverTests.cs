using System.Diagnostics;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>What a real Heat cannot delete; it tries for a minute each time.</summary>
[Trait("Lane", "openstack-long")]
public sealed class HandedOverTests(StackLab lab) : IClassFixture<StackLab>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;
    private Stacks Stacks => lab.Mine.Stacks;

    [Fact]
    public async Task Deletion_ThatCannotSucceed_IsHandedOverWithWhatIsLeft()
    {
        var plan = new ClusterPlan(CloudLab.New(), 1, StackLab.NewSubnet(), []);
        await Eventually.SeesAsync(() => Stacks.EnsureAsync(plan, Cancel), a => a is EnsureAnswer.Done, "the network is made", 60);
        var stack = (await Stacks.NowAsync(Cancel)).Stacks.Single(s => s.Key.Workspace == plan.Workspace).Stack;
        var network = (await lab.Mine.Heat.ResourcesAsync(stack, Cancel)).Single(r => r.Name == "net").PhysicalId;
        var port = (await lab.Storage.Mine.Networks.SendAsync(HttpMethod.Post, "v2.0/ports",
            new JsonObject { ["port"] = new JsonObject { ["network_id"] = network, ["name"] = "of-somebody-else" } }, Cancel)).Must()
            .GetProperty("port").GetProperty("id").GetString();
        try
        {
            var fault = await FaultAsync(() => Stacks.DeleteAsync(plan.Workspace, 1, Cancel));

            Output.WriteLine($"{fault.Message} {fault.WhatToDo}");
            fault.Fault.ShouldBe(CloudFault.Broken);
            fault.Message.ShouldContain("3 attempts to delete the stack");
            fault.Message.ShouldContain("The network could not be removed: ");
            fault.Message.ShouldContain("subnet (OS::Neutron::Subnet, ");
            fault.WhatToDo.ShouldContain($"openstack stack delete {stack.Id}");
        }
        finally
        {
            (await lab.Storage.Mine.Networks.SendAsync(HttpMethod.Delete, $"v2.0/ports/{port}", null, Cancel)).Must();
        }
        await lab.Mine.Heat.DeleteAsync(stack, Cancel); // as the operator
        await Eventually.SeesAsync(() => Stacks.NowAsync(Cancel), n => n.Clusters().All(c => c.Workspace != plan.Workspace), "it is seen gone", 60);
        (await Stacks.DeleteAsync(plan.Workspace, 1, Cancel)).ShouldBeOfType<EnsureAnswer.Done>();
    }

    private static async Task<CloudException> FaultAsync(Func<Task<EnsureAnswer>> ask)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalSeconds < 600;)
        {
            try { (await ask()).ShouldBeOfType<EnsureAnswer.Working>(); }
            catch (CloudException e) { return e; }
            await Task.Delay(200, Cancel);
        }
        throw new TimeoutException("it was not handed over");
    }
}
