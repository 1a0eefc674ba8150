using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>The contract on a real Manila, and what only it can show.</summary>
[Trait("Lane", "openstack")]
public sealed class OpenStackContractTests(OpenStackLab lab) : StorageContract, IClassFixture<OpenStackLab>
{
    protected override IShareCloud Shares => lab.Mine.Shares;
    protected override IFilesetCloud Filesets => lab.Mine.Filesets;
    protected override bool Shrinks => false; // the GPFS driver accepts it and leaves the share as it is
    protected override bool ReportsUsage => false;
    protected override bool MountsHere => false;

    [Fact]
    public async Task Projects_SeeNothingOfEachOther()
    {
        var access = await FolderAsync();
        await AllowAsync(access);

        (await lab.Other.Filesets.UsageAsync(Cancel)).ShouldNotContain(u => u.Folder == access.Folder);
        (await lab.Other.Shares.AccessAsync(Cancel)).ShouldNotContain(access);
        (await lab.Other.Shares.AccessAsync(access.Workspace, Cancel)).ShouldBeEmpty();
        (await lab.Other.Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Gone>();
        (await Should.ThrowAsync<CloudException>(() => lab.Other.Shares.AllowAsync(access, "198.51.100.0/27", Cancel))).Fault.ShouldBe(CloudFault.Missing);

        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBe([access], "the other project changed nothing");
        await DenyAsync(access);
    }

    /// <summary>Before Manila has seen it: a service believes a token that it has checked for some minutes, revoked or not.</summary>
    [Fact]
    public async Task Token_RevokedInTheMiddle_IsRenewedAndTheCallRepeated()
    {
        var access = await FolderAsync();
        await AllowAsync(access);
        await using var services = lab.Open();
        var again = services.GetRequiredService<OpenStackClouds>().Of(OpenStackLab.Projects[0]);
        var token = await again.Keystone.TokenAsync(null, Cancel);
        await RevokeAsync(token);

        var seen = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => again.Shares.AccessAsync(access.Workspace, Cancel)));

        seen.ShouldAllBe(a => a.Single() == access);
        ((await again.Keystone.TokenAsync(null, Cancel)).Value == token.Value).ShouldBeFalse();
        await DenyAsync(access);
    }

    [Fact]
    public async Task Share_DeletedBehindOurBack_IsSeenMissingAndItsRuleGone()
    {
        var access = await FolderAsync();
        await AllowAsync(access);
        var share = await ShareAsync(access);
        await lab.Mine.Manila.DeleteAsync(share.Id, Cancel); // alone: it drops its rules itself
        await Eventually.SeesAsync(() => lab.Mine.Manila.ShareAsync(share.Id, Cancel), s => s is null, "the share is gone", 60);

        (await Should.ThrowAsync<CloudException>(() => Shares.AllowAsync(access, "198.51.100.0/27", Cancel))).Fault.ShouldBe(CloudFault.Missing);
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBeEmpty();
        (await Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Gone>();
        await EnsureAsync((FolderRef.Work)access.Folder, Gib);
    }

    /// <summary>The driver takes rules for addresses alone: one for a user ends in error, as a rule does that the storage could not make.</summary>
    [Fact]
    public async Task Rule_InError_IsSeenFailedAndMustBeDeniedFirst()
    {
        var access = await FolderAsync();
        var share = await ShareAsync(access);
        await AskAsync(share.Id, "allow_access", new JsonObject
        {
            ["access_type"] = "user",
            ["access_to"] = "someone",
            ["access_level"] = "rw",
            ["metadata"] = new JsonObject { [ManilaNames.KeyOf(access.Workspace)] = "1" },
        });
        await lab.Mine.Manila.DescribeAsync(share.Id, lab.Mine.Names.Of(access.Workspace), Cancel);
        await Eventually.SeesAsync(() => lab.Mine.Manila.RulesAsync(share.Id, Cancel), r => r is [{ State: "error" }], "the rule is in error", 60);

        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBe([access], "what is in error is listed, so that it is removed");
        (await Shares.AllowAsync(access, "someone", Cancel)).ShouldBeOfType<AccessAnswer.Failed>().Cause.ShouldContain("could not grant access");

        await DenyAsync(access);
        await AllowAsync(access);
        await DenyAsync(access);
    }

    [Fact]
    public async Task Quota_UsedUp_IsFullInWords()
    {
        var folder = New();

        var fault = await Should.ThrowAsync<CloudException>(() => Filesets.EnsureAsync(folder, Uid, 1_000_000 * Gib, Cancel));

        fault.Fault.ShouldBe(CloudFault.Full);
        fault.Message.ShouldContain("the project's quota is used up");
        fault.WhatToDo.ShouldContain("larger quota");
        (await lab.Mine.Manila.SharesNamedAsync(lab.Mine.Names.NameOf(folder), Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Shrink_ThatTheDriverDoesNotDo_IsExplainedByAMessage()
    {
        var folder = New();
        await EnsureAsync(folder, 2 * Gib);
        await EnsureAsync(folder, Gib);
        var share = (await lab.Mine.Manila.SharesNamedAsync(lab.Mine.Names.NameOf(folder), Cancel)).Single();

        share.SizeGib.ShouldBe(2);
        (await lab.Mine.Manila.CauseAsync(share.Id, DateTimeOffset.MinValue, ManilaActions.Shrink, Cancel)).ShouldNotBeNullOrEmpty();
    }

    /// <summary>A call of a dead worker leaves no second share that is used, and the rules of a share that says nothing of its workspaces are found.</summary>
    [Fact]
    public async Task Shares_ThatALateCallMade_AreToleratedAndMarksCorrected()
    {
        var access = await FolderAsync();
        var folder = (FolderRef.Work)access.Folder;
        var first = await ShareAsync(access);
        await lab.Mine.Manila.CreateAsync(lab.Mine.Names.NameOf(folder), 1, "NFS", "", lab.Mine.Names.Of(folder), Cancel);
        await EnsureAsync(folder, Gib);
        await AllowAsync(access);

        (await lab.Mine.Manila.RulesAsync(first.Id, Cancel)).Count.ShouldBe(1, "the oldest is the folder");
        using (var services = lab.Open())
        {
            var client = new ServiceClient(ServiceKind.Shares, lab.Mine.Keystone, services.GetRequiredService<OpenStackHttp>());
            (await client.SendAsync(HttpMethod.Delete, $"shares/{first.Id}/metadata/{ManilaNames.KeyOf(access.Workspace)}", null, Cancel)).Must();
        }
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBeEmpty("somebody removed the mark");
        (await Shares.AccessAsync(Cancel)).ShouldContain(access);
        (await Shares.AccessAsync(access.Workspace, Cancel)).ShouldBe([access], "the sweep has put it back");
        await DenyAsync(access);
    }

    /// <summary>Where every server is seen from one address.</summary>
    [Fact]
    public async Task Rule_ForAFixedAddress_IsSharedAndStaysForTheOther()
    {
        await using var services = lab.Open(("Clouds:OpenStack:RuleAddress", "203.0.113.9"));
        var shares = services.GetRequiredService<OpenStackClouds>().Of(OpenStackLab.Projects[0]).Shares;
        var one = await FolderAsync();
        var other = one with { Workspace = CloudLab.New() };
        foreach (var access in (ShareAccess[])[one, other])
            await Eventually.SeesAsync(() => shares.AllowAsync(access, "198.51.100.0/27", Cancel), a => a is AccessAnswer.Active, "the rule is active", 60);
        (await lab.Mine.Manila.RulesAsync((await ShareAsync(one)).Id, Cancel)).ShouldHaveSingleItem().To.ShouldBe("203.0.113.9");

        (await shares.DenyAsync(one, Cancel)).ShouldBeOfType<AccessAnswer.Gone>();
        (await shares.AccessAsync(Cancel)).Where(a => a.Folder == one.Folder).ShouldBe([other]);
        (await shares.AllowAsync(other, "198.51.100.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Active>();
        await DenyAsync(other);
    }

    [Fact]
    public async Task CheckCloud_TriesEverything_AndLeavesNothing()
    {
        var said = new StringWriter();

        var code = await OpenStackVerbs.RunAsync(["--check-cloud", OpenStackLab.Projects[0]], lab.Services, said, Cancel);

        TestContext.Current.TestOutputHelper!.WriteLine(said.ToString());
        said.ToString().ShouldContain("ok       token:");
        said.ToString().ShouldContain("ok       Manila API version: ");
        said.ToString().ShouldContain("active after");
        (code == 0).ShouldBe(!said.ToString().Contains("PROBLEM", StringComparison.Ordinal));
        (await lab.Mine.Manila.SharesNamedAsync($"portal-{lab.Id}-probe", Cancel)).ShouldBeEmpty();
    }

    private async Task<ManilaShare> ShareAsync(ShareAccess access) =>
        (await lab.Mine.Manila.SharesNamedAsync(lab.Mine.Names.NameOf((FolderRef.Work)access.Folder), Cancel))[0];

    private async Task AskAsync(string share, string action, JsonObject what)
    {
        using var services = lab.Open();
        var client = new ServiceClient(ServiceKind.Shares, lab.Mine.Keystone, services.GetRequiredService<OpenStackHttp>());
        (await client.SendAsync(HttpMethod.Post, $"shares/{share}/action", new JsonObject { [action] = what }, Cancel,
            ("X-OpenStack-Manila-API-Version", "2.65"))).Must();
    }

    private static async Task RevokeAsync(Token token)
    {
        using var http = new HttpClient();
        var text = await File.ReadAllTextAsync(Path.Combine(OpenStackLab.Folder, OpenStackLab.Projects[0] + ".json"), Cancel);
        var address = JsonNode.Parse(text)!["auth_url"]!.GetValue<string>().TrimEnd('/');
        if (!address.EndsWith("/v3", StringComparison.Ordinal)) address += "/v3";
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"{address}/auth/tokens");
        request.Headers.Add("X-Auth-Token", token.Value);
        request.Headers.Add("X-Subject-Token", token.Value);
        using var answer = await http.SendAsync(request, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.NoContent);
    }
}
