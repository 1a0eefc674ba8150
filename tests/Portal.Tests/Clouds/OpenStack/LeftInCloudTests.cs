using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What <c>Portal.Jobs --left-in-cloud</c> tells an operator who removes an installation.</summary>
public sealed class LeftInCloudTests : RecordedManilaTest
{
    private const string Name = "portal-t123456789-0190a6d27d0c7b4e9d3c5a0c4e6f1a2b-g2";

    [Fact]
    public async Task Left_StackAndShare_AreNamedWithTheCommandsThatDeleteThem()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 2);
        cloud.On("GET /heat/v1/p1/stacks", 200, $$"""
            {"stacks": [{"id": "s1", "stack_name": "{{Name}}", "stack_status": "CREATE_COMPLETE", "stack_status_reason": "", "tags": ["portal", "t123456789"],
              "creation_time": "2026-11-22T12:51:07Z", "updated_time": null}]}
            """);

        var (code, said) = await AskAsync(cloud);

        code.ShouldBe(0);
        said.ShouldBe([$"openstack stack delete --yes --wait s1   # {Name}",
            $"openstack share delete {Share}   # with the files in it: portal-t123456789-{Folder.Class:n}-{Folder.Person:n}, 2 GiB"]);
        cloud.Requests.Single(r => r.Path == "/heat/v1/p1/stacks").Query.ShouldContain("t123456789", customMessage: "nobody else's");
        cloud.Requests.Single(r => r.Path == "/share/v2/shares/detail").Query.ShouldContain("t123456789", customMessage: "nobody else's");
        cloud.Requests.ShouldNotContain(r => r.Method == "DELETE");
    }

    [Fact]
    public async Task Left_Nothing_SaysNothing()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila("2.73");
        cloud.On("GET /share/v2/shares/detail", 200, """{"shares": []}""");
        cloud.On("GET /heat/v1/p1/stacks", 200, """{"stacks": []}""");

        var (code, said) = await AskAsync(cloud);

        code.ShouldBe(0);
        said.ShouldBeEmpty();
    }

    [Fact]
    public async Task Left_HeatDoesNotAnswer_SaysSoAndFails()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.On("GET /heat/v1/p1/stacks", 403,
            """{"code": 403, "title": "Forbidden", "error": {"type": "Forbidden", "message": "You are not authorized."}}""");

        var (code, said) = await AskAsync(cloud);

        code.ShouldBe(1);
        said.ShouldHaveSingleItem().ShouldStartWith("FAILED  ");
    }

    private static async Task<(int Code, string[] Lines)> AskAsync(RecordedCloud cloud)
    {
        var said = new StringWriter();
        var code = await OpenStackVerbs.RunAsync(["--left-in-cloud", RecordedCloud.Key], cloud.Services, said, Cancel);
        return (code, said.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
