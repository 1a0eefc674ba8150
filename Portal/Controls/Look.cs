using MudBlazor;

namespace Portal.Controls;

/// <summary>The six states that a colour may express; every status of a noun maps to one of them, with its own word.</summary>
public enum StatusTone { Ready, Working, Waiting, Attention, Failed, Stopped }

/// <summary>Maps each state to its mark and css class.</summary>
public static class Look
{
    public static string Mark(StatusTone tone) => tone switch
    {
        StatusTone.Ready => Icons.Material.Rounded.CheckCircle,
        StatusTone.Working => Icons.Material.Rounded.Autorenew,
        StatusTone.Waiting => Icons.Material.Rounded.HourglassTop,
        StatusTone.Attention => Icons.Material.Rounded.Warning,
        StatusTone.Failed => Icons.Material.Rounded.Error,
        _ => Icons.Material.Rounded.StopCircle,
    };

    public static string Css(StatusTone tone) => tone switch
    {
        StatusTone.Ready => "ready",
        StatusTone.Working => "working",
        StatusTone.Waiting => "waiting",
        StatusTone.Attention => "attention",
        StatusTone.Failed => "failed",
        _ => "stopped",
    };
}
