@echo off
rem Runs the bundle on a phone on this computer's cable. ADB names adb, ANDROID_SERIAL the phone where there are several.
setlocal
cd /d "%~dp0"
if not defined ADB set ADB=adb
for /f "tokens=1,2 delims==" %%a in (suite\settings.sh) do set bundle_%%a=%%b
set place=/data/local/tmp/mali-delegate-repro/bundle-%bundle_id%
where "%ADB%" >nul 2>nul || (echo no adb here: install Android's platform-tools, or name it in ADB & exit /b 2)
echo %bundle_push_mb% MB go to %place% on the device, and are removed again at the end
set tries=0
:again
"%ADB%" wait-for-device || exit /b 3
"%ADB%" shell "sh %place%/suite/device.sh check" <nul >nul 2>nul && goto run
"%ADB%" shell "mkdir -p %place%" <nul && "%ADB%" push suite "%place%/" >nul
:run
"%ADB%" shell "sh %place%/suite/device.sh" <nul
set code=%errorlevel%
if %code%==0 goto done
if %code%==2 exit /b 2
if %code%==3 exit /b 3
if %code%==5 exit /b 5
set /a tries+=1
if %tries% geq 10 (echo cut ten times: look at cable and device, then run this again; it goes on & exit /b 4)
echo the device went away, or a file was damaged on the way: waiting for it
timeout /t 2 /nobreak >nul
goto again
:done
"%ADB%" pull "%place%/results.zip" results.zip || exit /b 5
"%ADB%" shell "rm -rf %place%" <nul
echo %cd%\results.zip is what to send back
