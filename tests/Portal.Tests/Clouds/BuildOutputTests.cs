using Portal.Jobs.Clouds.Docker.Images;

namespace Portal.Tests.Clouds;

/// <summary>Lines recorded from the container engine's builder.</summary>
public sealed class BuildOutputTests
{
    [Theory]
    [InlineData("Step 1/9 : ARG BASE", "loading the base image, 1 of 9")]
    [InlineData("Step 2/9 : FROM ${BASE}", "loading the base image, 2 of 9")]
    [InlineData("Step 3/9 : RUN apt-get update -qq  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv", "installing packages, 3 of 9")]
    [InlineData("Step 4/9 : RUN python3 -m venv /opt/venv  && /opt/venv/bin/pip install --quiet --no-index jupyterlab", "installing packages, 4 of 9")]
    [InlineData("Step 5/9 : ADD wheels.tar.xz /tmp/", "unpacking archives, 5 of 9")]
    [InlineData("Step 6/9 : COPY jupyter/ /etc/jupyter/", "copying files, 6 of 9")]
    [InlineData("Step 7/9 : RUN sh /usr/local/lib/portal/settle", "setting up, 7 of 9")]
    [InlineData("Step 9/9 : CMD [\"start-notebook\"]", "finishing, 9 of 9")]
    public void Step_Announced_IsSaidInWords(string line, string words) => BuildOutput.Of(line)!.ToString().ShouldBe(words);

    [Theory]
    [InlineData(" ---> 2a3094f835cf")]
    [InlineData("Removing intermediate container 1f2e3d4c5b6a")]
    [InlineData("Successfully tagged portal/python:1b9d7a")]
    public void OtherLines_AreNoStep(string line) => BuildOutput.Of(line).ShouldBeNull();
}
