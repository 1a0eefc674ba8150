using System.Net;
using Portal.Core.Access;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Which ticket gives whom access.</summary>
public sealed class TicketTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Open_Owner_GetsInOnceAndTheRowIsAHash()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        address.ShouldBe(web.AppUrl(w.Slug) + "/.portal/enter");
        await using (var db = web.Database.Open()) db.AppTickets.Any(t => t.Hash == ticket).ShouldBeFalse();
        using var entered = await visitor.EnterAsync(address, ticket, web.Origin);
        entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        entered.Headers.Location!.ToString().ShouldBe("/lab");
        entered.Headers.GetValues("Referrer-Policy").ShouldBe(["same-origin"]);
        var cookie = entered.Headers.GetValues("Set-Cookie").ShouldHaveSingleItem();
        foreach (var part in (string[])["__Host-app-t1e2s=", "secure", "httponly", "samesite=lax", "path=/"]) cookie.ShouldContain(part);
        cookie.ShouldNotContain("domain", Case.Insensitive);
        (await visitor.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode.ShouldBe(HttpStatusCode.OK);
        using var thief = web.Visit();
        (await thief.EnterAsync(address, ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound, "a ticket is spent once");
    }

    [Fact]
    public async Task Ticket_SpentTwiceAtOnce_OpensOnce()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            using var other = web.Visit();
            return (await other.EnterAsync(address, ticket, web.Origin)).StatusCode;
        }));
        answers.Count(a => a == HttpStatusCode.SeeOther).ShouldBe(1);
    }

    [Fact]
    public async Task Ticket_Expired_IsRefused()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        await using (var db = web.Database.Open())
            db.AppTickets.Single(t => t.WorkspaceId == w.Id).ExpiresAt.ShouldBeLessThanOrEqualTo(TimeProvider.System.GetUtcNow().AddSeconds(61));
        await web.Database.ExecuteAsync(
            $"update portal.app_tickets set expires_at = clock_timestamp() - interval '1 second' where workspace_id = {w.Id}", Cancel);
        (await visitor.EnterAsync(address, ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Ticket_OfASessionThatEnded_IsRefused()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        await visitor.PostFormAsync("/sign-out", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        (await visitor.EnterAsync(address, ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound);

        // Also if only the session's row was deleted, for whatever reason.
        await visitor.SignInAsync("Ada");
        (ticket, address) = await visitor.TicketAsync(w.Id);
        await web.Database.ExecuteAsync($"delete from portal.sessions where person_id = {web.Person("Ada")}", Cancel);
        (await visitor.EnterAsync(address, ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Ticket_OnAnotherAppsHost_IsRefusedAndSpent()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var (w, other) = (await web.WorkspaceAsync("Ada"), await web.WorkspaceAsync("Ada"));
        foreach (var host in (string[])[web.AppUrl(w.Slug, "files"), web.AppUrl(other.Slug)])
        {
            var (ticket, address) = await visitor.TicketAsync(w.Id);
            (await visitor.EnterAsync(host + "/.portal/enter", ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound, host);
            (await visitor.EnterAsync(address, ticket, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound, "spent by the attempt");
        }
    }

    [Fact]
    public async Task Ticket_OfAnotherPersonsWorkspace_IsNotGiven()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Alan");
        var w = await web.WorkspaceAsync("Ada");
        using var api = await visitor.PostJsonAsync($"/api/v1/workspaces/{w.Id}/apps/notebook/ticket", new { });
        api.StatusCode.ShouldBe(HttpStatusCode.NotFound);

        // A forged row of a person without permission: refused when it is used.
        var hash = Core.Access.Secret.Hash("forged");
        await web.Database.ExecuteAsync($"""
            insert into portal.app_tickets (hash, workspace_id, app, person_id, session_hash, expires_at)
            select {hash}, {w.Id}, 'notebook', person_id, hash, clock_timestamp() + interval '1 minute'
            from portal.sessions where person_id = {web.Person("Alan")} limit 1
            """, Cancel);
        (await visitor.EnterAsync(web.AppUrl(w.Slug) + "/.portal/enter", "forged", web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task SentLink_OrForeignForm_SignsNobodyIn()
    {
        using var attacker = web.Visit();
        await attacker.SignInAsync("Alan");
        var w = await web.WorkspaceAsync("Alan");
        foreach (var origin in (string?[])[null, "null", "http://evil.example.org", web.AppUrl(w.Slug), $"https://portal.localhost:{web.Port}",
            "http://portal.localhost"])
        {
            var (ticket, address) = await attacker.TicketAsync(w.Id);
            using var victim = web.Visit();
            (await victim.GetAsync($"{address}?ticket={ticket}")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
            (await victim.GetAsync($"{web.AppUrl(w.Slug)}/lab?ticket={ticket}")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            (await victim.EnterAsync(address, ticket, origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound, origin);
            (await victim.EnterAsync($"{address}?ticket={ticket}", "", web.Origin)).StatusCode.ShouldBe(HttpStatusCode.NotFound,
                "the ticket is read from the body alone");
            victim.Cookies.ShouldBeEmpty();
        }
    }

    [Fact]
    public async Task OpenPage_MayPostToThisAppOnlyAndIsNotKept()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        using var page =
            await visitor.PostFormAsync($"/workspaces/{w.Id}/apps/notebook/open", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        var csp = page.Headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem();
        csp.ShouldContain($"form-action {web.AppUrl(w.Slug)};");
        csp.ShouldContain("script-src 'self';");
        page.Headers.CacheControl!.NoStore.ShouldBeTrue();
        page.Headers.GetValues("Referrer-Policy").ShouldBe(["origin"]);
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldContain("<button type=\"submit\">");
    }

    [Theory]
    [InlineData("nothing", HttpStatusCode.NotFound)]
    [InlineData("NOTEBOOK", HttpStatusCode.NotFound)]
    [InlineData("notebook", HttpStatusCode.OK)]
    public async Task Open_AppOfTheTemplate_Only(string app, HttpStatusCode status)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        using var page =
            await visitor.PostFormAsync($"/workspaces/{w.Id}/apps/{app}/open", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        page.StatusCode.ShouldBe(status);
    }

    [Fact]
    public async Task Open_NotReady_LeadsToTheWorkspace()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await web.Database.ExecuteAsync($"update portal.runs set phase = 'Active', ended_at = null where workspace_id = {w.Id}", Cancel);
        using var page =
            await visitor.PostFormAsync($"/workspaces/{w.Id}/apps/notebook/open", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        page.Headers.Location!.ToString().ShouldBe($"/workspaces/{w.Slug}");
        using var api = await visitor.PostJsonAsync($"/api/v1/workspaces/{w.Id}/apps/notebook/ticket", new { });
        api.StatusCode.ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task ProofTicket_WithoutSession_LivesTwoMinutesForThisGeneration()
    {
        using var jobs = web.Visit();
        var w = await web.WorkspaceAsync("Ada");
        await web.Database.ExecuteAsync($"update portal.runs set phase = 'Active', ended_at = null where workspace_id = {w.Id}", Cancel);
        var hash = Core.Access.Secret.Hash("proof of " + w.Slug);
        await web.Database.ExecuteAsync($"""
            insert into portal.app_tickets (hash, workspace_id, app, person_id, expires_at)
            values ({hash}, {w.Id}, 'notebook', {w.PersonId}, clock_timestamp() + interval '1 minute')
            """, Cancel);
        (await jobs.EnterAsync(web.AppUrl(w.Slug) + "/.portal/enter", "proof of " + w.Slug, web.Origin)).StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        (await jobs.GetAsync(web.AppUrl(w.Slug) + "/api")).StatusCode.ShouldBe(HttpStatusCode.OK);
        await using (var db = web.Database.Open())
            db.AppSessions.Single(s => s.WorkspaceId == w.Id).ExpiresAt.ShouldBeLessThanOrEqualTo(TimeProvider.System.GetUtcNow().AddSeconds(121));
        await web.ReadyAsync(w.Id, generation: 2);
        await TestKit.Until.TrueAsync("the proof's access ends with its generation", async () =>
            (await jobs.GetAsync(web.AppUrl(w.Slug) + "/api")).StatusCode == HttpStatusCode.ServiceUnavailable, Cancel);
    }

    [Fact]
    public async Task Ticket_InAnOversizedForm_IsRefusedAndNotSpent()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        using var large = await visitor.PostFormAsync(address, web.Origin, ("padding", new string('x', 8 << 10)), ("ticket", ticket));
        large.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var endless =
            await visitor.SendAsync(HttpMethod.Post, address,
                new FormUrlEncodedContent([new("padding", new string('x', 8 << 10)), new("ticket", ticket)]), web.Origin,
                h => h.TransferEncodingChunked = true);
        endless.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var right = await visitor.EnterAsync(address, ticket, web.Origin);
        right.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
    }
}
