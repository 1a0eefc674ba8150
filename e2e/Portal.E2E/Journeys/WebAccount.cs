namespace Portal.E2E.Journeys;

/// <summary>The web process and its account on the machine of a real installation, inspected from outside and tried from inside the account.</summary>
public sealed class WebAccount
{
    [Fact]
    public void Process_OfTheWeb_HasNoPrivilege()
    {
        var status = Machine.Status("web");
        status["Uid"].Split('\t').ShouldAllBe(u => u != "0");
        status["Gid"].Split('\t').ShouldAllBe(g => g != "0");
        status["Groups"].Trim().ShouldBeEmpty();
        foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapAmb"]) status[set].ShouldBe("0000000000000000", set);
        status["NoNewPrivs"].ShouldBe("1");
    }

    [Theory]
    [InlineData("portal_jobs")]
    [InlineData("portal_migrator")]
    [InlineData("postgres")]
    public void Account_AsAnotherRole_CannotLogIn(string role)
    {
        var (code, words) = LogIn(role);
        code.ShouldNotBe(0);
        words.ShouldContain("authentication failed");
    }

    [Fact]
    public void Account_AsItsOwnRole_LogsIn() => LogIn("portal_web").Code.ShouldBe(0);

    [Fact]
    public void Account_FilesOfOthers_AreClosed()
    {
        foreach (var file in (string[])[$"{Machine.State}/pg/PG_VERSION", $"{Machine.State}/shares.btrfs", $"{Machine.State}/log/jobs.log"])
            Machine.ShouldBeClosedToTheWeb(file);
        // A file of a student's: see NotebookJourney.
        var shares = $"{Machine.State}/shares";
        Machine.Try("ls", shares).Code.ShouldBe(0, "the folders of students are there");
        Machine.AsTheWeb("ls", shares).Output.ShouldContain("Permission denied");
    }

    [Fact]
    public void Account_SocketOfTheEngine_IsClosed()
    {
        string[] ask = ["curl", "-sS", "--max-time", "10", "--unix-socket", Machine.Setting("jobs", "Clouds__Docker__Socket"), "http://engine/_ping"];
        Machine.Try(ask[0], ask[1..]).Output.ShouldBe("OK", "the engine that Jobs uses answers there");

        var (code, words) = Machine.AsTheWeb(ask);

        code.ShouldBe(7, words); // curl's exit code for "could not connect"
    }

    [Fact]
    public void Socket_OfTheJobs_OpensToTheWebAndToNobodyElse()
    {
        string[] ask = ["curl", "-sS", "--max-time", "10", "--unix-socket", Machine.Setting("web", "Jobs__Socket"), "http://jobs/health"];

        // Jobs starts listening a little later than the web process, which is what infra/run waits for.
        Machine.AsTheWeb([.. ask, "--retry", "30", "--retry-delay", "1", "--retry-all-errors", "--silent", "--no-show-error"]).Output.ShouldBe("ok");
        Machine.As("65534", "65534", ask).Code.ShouldBe(7);
    }

    private static (int Code, string Output) LogIn(string role) =>
        Machine.AsTheWeb("psql", "-X", "-h", $"{Machine.Run}/pg", "-U", role, "-d", "portal", "-c", "select 1");
}
