using Microsoft.Extensions.Logging.Abstractions;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.Jobs.Foreign;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What each service's refusal becomes, and what is said about wrong settings.</summary>
public sealed class FaultTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Keystone", 401, CloudFault.Denied, "requires authentication",
        """{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}""")]
    [InlineData("Heat", 400, CloudFault.Refused, "Resource Type (OS::No::Such)",
        """{"code":400,"title":"Bad","explanation":"Bad.","error":{"type":"HTTPBadRequest","message":"The Resource Type (OS::No::Such) is not there."}}""")]
    [InlineData("Heat", 409, CloudFault.Conflict, "already exists",
        """{"code":409,"title":"Conflict","explanation":"There was a conflict.","error":{"type":"StackExists","message":"The Stack (s) already exists."}}""")]
    [InlineData("Manila", 413, CloudFault.Full, "quota is used up: ShareSizeExceedsAvailableQuota",
        """{"overLimit":{"code":413,"message":"ShareSizeExceedsAvailableQuota: Requested share exceeds allowed gigabytes quota.","retryAfter":"0"}}""")]
    [InlineData("Manila", 404, CloudFault.Missing, "could not be found", """{"itemNotFound":{"code":404,"message":"Share 1 could not be found."}}""")]
    [InlineData("Nova", 403, CloudFault.Full, "Quota exceeded for cores",
        """{"forbidden":{"code":403,"message":"Quota exceeded for cores: Requested 4, but already used 18 of 20 cores"}}""")]
    [InlineData("Nova", 403, CloudFault.Denied, "may not do this", """{"forbidden":{"code":403,"message":"Policy doesn't allow it to be performed."}}""")]
    [InlineData("Nova", 500, CloudFault.Broken, "Unexpected API Error", """{"computeFault":{"code":500,"message":"Unexpected API Error."}}""")]
    [InlineData("Neutron", 409, CloudFault.Full, "Quota exceeded for resources: ['port']",
        """{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: ['port'].","detail":""}}""")]
    [InlineData("Neutron", 409, CloudFault.Conflict, "in use",
        """{"NeutronError":{"type":"NetworkInUse","message":"Unable to complete operation: it is in use.","detail":""}}""")]
    [InlineData("Manila", 406, CloudFault.Refused, "does not support this version", "Version 2.75 is not supported by the API. Minimum is %(min)s")]
    [InlineData("Manila", 503, CloudFault.Unavailable, "not available", "<html><body><h1>503 Service Unavailable</h1></body></html>")]
    [InlineData("Manila", 500, CloudFault.Broken, "status 500", """{"unexpected": 1}""")]
    public void Refusal_InEachEnvelope_IsOneFaultInWords(string service, int status, CloudFault fault, string words, string text)
    {
        var of = OpenStackFaults.Of(service, status, text);

        of.Fault.ShouldBe(fault);
        of.Message.ShouldStartWith(service + ": ");
        of.Message.ShouldContain(words);
        of.Message.ShouldNotContain("<h1>");
        of.WhatToDo.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Services_ThatAreNotThere_AreUnavailable()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var token = await cloud.Cloud.Keystone.TokenAsync(null, Cancel);
        var nowhere = new Token
        {
            Value = token.Value,
            RenewAt = token.RenewAt,
            EndsAt = token.EndsAt,
            Interface = "admin",
            Region = "RegionOne",
            ProjectId = "",
            ProjectName = "",
            UserId = "",
            UserName = "",
            Roles = [],
            Catalog = token.Catalog,
        };
        Keystone.AddressOf(ServiceKind.Servers, nowhere).ShouldBe("http://127.0.0.1:1/wrong");
        using var http = new HttpClient();

        var fault = await Should.ThrowAsync<CloudException>(() =>
            new OpenStackHttp(http, new(TimeProvider.System), TimeProvider.System, NullLogger<OpenStackHttp>.Instance)
                .SendAsync(new("Nova", HttpMethod.Get, new("http://127.0.0.1:1/wrong")), Cancel));

        fault.Fault.ShouldBe(CloudFault.Unavailable);
        fault.Message.ShouldStartWith("Nova: it cannot be reached");
    }

    [Theory]
    [InlineData("nova.example:8774/v2.1")]
    [InlineData("http://nova example/v2.1")]
    [InlineData("http://nova:8774/v2.1/%(tenant_id)s")]
    [InlineData("http://nova:8774/v2.1/$(project_id)s")]
    [InlineData("/v2.1")]
    [InlineData("")]
    public void Address_ThatIsNoUrl_IsRefusedInWords(string url)
    {
        var token = new Token
        {
            Value = "",
            RenewAt = default,
            EndsAt = default,
            Interface = "public",
            Region = "",
            ProjectId = "",
            ProjectName = "",
            UserId = "",
            UserName = "",
            Roles = [],
            Catalog = [new("compute", "public", "RegionOne", url)],
        };

        var fault = Should.Throw<CloudException>(() => Keystone.AddressOf(ServiceKind.Servers, token));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain($"has \"{url}\", which is not a complete HTTP or HTTPS URL, as public endpoint for Nova");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"share\": null, \"quota_set\": [], \"share_types\": [1, {\"extra_specs\": null}], \"export_locations\": [1], \"access_list\": [1]}")]
    public async Task Answer_WithoutWhatIsExpected_IsBrokenInWords(string json)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila("2.73");
        foreach (var path in (string[])["shares/1", "shares/1/export_locations", "quota-sets/p1/detail", "types", "share-access-rules"])
            cloud.On($"GET /share/v2/{path}", 200, json);
        cloud.On("POST /share/v2/shares", 200, json);
        var manila = cloud.Cloud.Manila;

        foreach (var call in (Func<Task>[])
            [
                () => manila.ShareAsync("1", Cancel),
                () => manila.CreateAsync("n", 1, "NFS", "", new Dictionary<string, string>(StringComparer.Ordinal), Cancel),
                () => manila.QuotasAsync(Cancel),
            ])
            (await Should.ThrowAsync<CloudException>(call)).Fault.ShouldBe(CloudFault.Broken);
        await manila.TypesAsync(Cancel);
        (await manila.ExportsAsync("1", Cancel)).ShouldBeEmpty();
        await manila.RulesAsync("1", Cancel);
    }

    [Theory]
    [InlineData("""{"auth_url": "http://x:5000", "password": "hush", "user": "a", "user_domain": "d", "project": "p"}""", "\"project_domain\" is missing")]
    [InlineData("""{"auth_url": "http://x:5000", "user": "a", "user_domain": "d", "project": "p", "project_domain": "d"}""", "\"password\" is missing")]
    [InlineData("""{"auth_url": "ftp://x", "password": "hush"}""", "\"auth_url\" in")]
    [InlineData("""{"auth_url": "http://x", "password": "hush", "interface": "secret"}""", "must be public, internal or admin")]
    [InlineData("""{"password": "hush" oops""", "is not JSON")]
    public async Task CredentialFile_WithAFault_NamesItAndNoSecret(string text, string words)
    {
        var folder = Directory.CreateTempSubdirectory("portal-credentials");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "k.json"), text, Cancel);

        var fault = await Should.ThrowAsync<CloudException>(() => Credential.ReadAsync(folder.FullName, "k", new(TimeProvider.System), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain(words);
        fault.ToString().ShouldNotContain("hush");
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("nothing", "cannot be read")]
    [InlineData("../../etc/passwd", "letters, digits, hyphens")]
    public async Task CredentialFile_ThatIsMissing_IsRefused(string key, string words) =>
        (await Should.ThrowAsync<CloudException>(() => Credential.ReadAsync("/nowhere", key, new(TimeProvider.System), Cancel))).Message.ShouldContain(words);

    [Fact]
    public async Task CredentialFile_OfAnApplication_AsksWithoutAScope()
    {
        var folder = Directory.CreateTempSubdirectory("portal-credentials");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "k.json"),
            """{"auth_url": "http://x:5000/v3/", "application_credential_id": "1", "application_credential_secret": "hush"}""", Cancel);

        var credential = await Credential.ReadAsync(folder.FullName, "k", new ForeignReader(TimeProvider.System), Cancel);

        credential.AuthUrl.ShouldBe(new Uri("http://x:5000/v3"));
        credential.SignIn.ShouldBe(
            """{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"1","secret":"hush"}}}}""");
        credential.ToString().ShouldBe("credential k");
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("/credentials", "", "00:00:30", null)]
    [InlineData("", "nonsense", "00:00:00", null)]
    [InlineData("credentials", "", "00:00:30", "Clouds:OpenStack:Credentials must be the full path")]
    [InlineData("/credentials", "192.0.2.7", "00:00:30", null)]
    [InlineData("/credentials", "192.0.2.0/24", "00:00:30", null)]
    [InlineData("/credentials", "2001:db8::/64", "00:00:30", "Clouds:OpenStack:RuleAddress must be an IPv4")]
    [InlineData("/credentials", "", "01:00:00", "Clouds:OpenStack:CallDeadline must be between")]
    public void Options_AreCheckedByName(string folder, string rule, string deadline, string? wrong)
    {
        var result = new OpenStackOptionsCheck().Validate(null, new()
        {
            Credentials = folder,
            RuleAddress = rule,
            CallDeadline = TimeSpan.Parse(deadline, System.Globalization.CultureInfo.InvariantCulture),
            Installation = "t123456789",
        });

        result.Succeeded.ShouldBe(wrong is null);
        (result.FailureMessage ?? "").ShouldContain(wrong ?? "");
    }
}
